"""Report: what a master meter shows more than the meters behind it, by hour and day."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import pandas as pd

from analytics.errors import AnalyticsError
from analytics.question import Question, exact_frame
from analytics.wiring import Master, read_wiring

COLUMNS: Final = (
    "level",
    "site",
    "master",
    "day",
    "hour",
    "master_milli",
    "subs_milli",
    "loss_milli",
    "loss_bp",
    "subs_expected",
    "subs_heard",
    "unexplained",
)

_HOURS: Final = """
SELECT toString(meter), toDate(read_at, 'Asia/Shanghai') AS day, toHour(read_at, 'Asia/Shanghai') AS hour,
    sum(consumption_milli)
FROM accepted_readings
WHERE site = %(of)s AND meter IN %(meters)s AND read_at >= %(first)s AND read_at < %(end)s
GROUP BY meter, day, hour
"""

_REPLACED: Final = """
SELECT replaces, meter FROM meters FINAL WHERE site = %(of)s AND replaces != '' ORDER BY number
"""

_KNOWN: Final = """
SELECT meter, toDate(min(at), 'Asia/Shanghai'), toHour(min(at), 'Asia/Shanghai')
FROM meters WHERE site = %(of)s GROUP BY meter
"""

Hours = dict[tuple[str, date, int], int]
"""(meter, day, hour) to Wh or litres."""


def losses(question: Question) -> pd.DataFrame:
    """Master against sub-meters, as the wiring file has them; a replaced meter's successors count with it.

    A consumption counts in the hour of the reading that shows it, so an hour compares like with like where all are
    read at once, and a day also where some readings were missed in between. What the subs show in hours in which the
    master was not heard counts with the next hour in which it was, since that shows what flowed meanwhile.

    Returns:
        Columns `COLUMNS`, by master: level hour and, after a day's hours, level day; level total at the end of each.
        `loss_bp` is of what the master shows, rounded down. `subs_heard` of `subs_expected` seats had a reading in the
        hour (day: in its last hour with a master's reading). A loss is `unexplained` where it is above what is
        allowed and all seats were heard.
    Raises:
        AnalyticsError: There is no wiring file, or it names a meter that the site has not.
    """
    if question.meters is None:
        raise AnalyticsError("which meter is above which? Give --meters FILE.toml")
    rows: list[dict[str, Any]] = []
    for master in read_wiring(question.meters):
        if question.site in (None, master.site):
            rows += rows_of(question, wired(question, master))
    return exact_frame([[row.get(name) for name in COLUMNS] for row in rows], COLUMNS)


@dataclass(frozen=True, slots=True)
class Wired:
    """A master and the meters behind it, as they are known to the database.

    Attributes:
        seat_of: Every meter behind the master, and what replaced it, to the sub of the file whose seat it has.
        masters: The master and what replaced it.
        since: The local day and hour in which the master was installed.
    """

    master: Master
    seat_of: dict[str, str]
    masters: frozenset[str]
    since: tuple[date, int]


def wired(question: Question, master: Master) -> Wired:
    """A master of the wiring file with all meters behind it.

    Raises:
        AnalyticsError: The site has not all of the file's meters.
    """
    known = {meter: (day, hour) for meter, day, hour in question.ask(_KNOWN, of=master.site)}
    unknown = [meter for meter in (master.meter, *master.subs) if meter not in known]
    if unknown:
        raise AnalyticsError(f"site {master.site} has no meter {', '.join(unknown)}")
    seat_of = {meter: meter for meter in (master.meter, *master.subs)}
    for replaced, meter in question.ask(_REPLACED, of=master.site):
        if replaced in seat_of:
            # A successor that the file names too stays in the seat that it took over.
            seat_of[meter] = seat_of[replaced]
    masters = frozenset(meter for meter, seat in seat_of.items() if seat == master.meter)
    subs = {meter: seat for meter, seat in seat_of.items() if meter not in masters}
    return Wired(master, subs, masters, known[master.meter])


def rows_of(question: Question, behind: Wired) -> list[dict[str, Any]]:
    """The report's rows of one master."""
    master, subs = behind.master, sorted(set(behind.seat_of.values()))
    hours = _hours(question, behind)
    rows: list[dict[str, Any]] = []
    waiting = 0
    for day in question.period.days():
        of_day = []
        for hour in range(24):
            used = [hours[sub, day, hour] for sub in subs if (sub, day, hour) in hours]
            shown = hours.get((master.meter, day, hour))
            if shown is not None or (day, hour) >= behind.since:
                # What flowed before there was a master it does not show.
                waiting += sum(used)
            if shown is not None:
                of_day.append(_row(master, shown, waiting, len(used), len(subs)))
                of_day[-1] |= {"day": day, "hour": hour}
                waiting = 0
        if of_day:
            rows += [*of_day, _sum("day", master, of_day) | {"day": day}]
    if rows:
        rows.append(_sum("total", master, [row for row in rows if row["level"] == "day"]))
    return rows


def _hours(question: Question, behind: Wired) -> Hours:
    """What the master and its seats consumed by hour; an hour without a reading is not there."""
    seat_of = behind.seat_of | dict.fromkeys(behind.masters, behind.master.meter)
    hours: Hours = defaultdict(int)
    for meter, day, hour, quantity in question.ask(_HOURS, of=behind.master.site, meters=tuple(seat_of)):
        hours[seat_of[meter], day, hour] += quantity
    return hours


def _row(master: Master, shown: int, used: int, heard: int, expected: int) -> dict[str, Any]:
    return _judged(
        {
            "level": "hour",
            "site": master.site,
            "master": master.meter,
            "master_milli": shown,
            "subs_milli": used,
            "subs_expected": expected,
            "subs_heard": heard,
        },
        master,
    )


def _sum(level: str, master: Master, rows: list[dict[str, Any]]) -> dict[str, Any]:
    row = {"level": level, "site": master.site, "master": master.meter}
    row |= {name: sum(each[name] for each in rows) for name in ("master_milli", "subs_milli")}
    row |= {name: rows[-1][name] for name in ("subs_expected", "subs_heard")}
    return _judged(row, master)


def _judged(row: dict[str, Any], master: Master) -> dict[str, Any]:
    loss, shown = row["master_milli"] - row["subs_milli"], row["master_milli"]
    return row | {
        "loss_milli": loss,
        "loss_bp": loss * 10_000 // shown if shown else None,
        "unexplained": loss * 10_000 > shown * master.allowed_bp and row["subs_heard"] == row["subs_expected"],
    }
