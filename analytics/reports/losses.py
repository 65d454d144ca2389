"""Report: what a master meter shows more than the meters behind it, by hour and day."""

from collections import defaultdict
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

_KNOWN: Final = "SELECT DISTINCT meter FROM meters WHERE site = %(of)s"

Hours = dict[tuple[str, date, int], int]
"""(meter, day, hour) to Wh or litres."""


def losses(question: Question) -> pd.DataFrame:
    """Master against sub-meters, as the wiring file has them; a replaced meter's successors count with it.

    A consumption counts in the hour of the reading that shows it, so an hour compares like with like where all are
    read at once, and a day also where some readings were missed in between.

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
            rows += _of_master(question, master)
    return exact_frame([[row.get(name) for name in COLUMNS] for row in rows], COLUMNS)


def seats(question: Question, master: Master) -> dict[str, str]:
    """Every meter behind a master, and what replaced it, to the sub of the file whose seat it has."""
    known = {meter for (meter,) in question.ask(_KNOWN, of=master.site)}
    unknown = [meter for meter in (master.meter, *master.subs) if meter not in known]
    if unknown:
        raise AnalyticsError(f"site {master.site} has no meter {', '.join(unknown)}")
    seat_of = {sub: sub for sub in master.subs}
    for replaced, meter in question.ask(_REPLACED, of=master.site):
        if replaced in seat_of:
            # A successor that the file names too stays in the seat that it took over.
            seat_of[meter] = seat_of[replaced]
    return seat_of


def hours_of(question: Question, master: Master, seat_of: dict[str, str]) -> Hours:
    """What the master and its seats consumed by hour; an hour without a reading is not there."""
    meters = (master.meter, *seat_of)
    hours: Hours = defaultdict(int)
    for meter, day, hour, quantity in question.ask(_HOURS, of=master.site, meters=meters):
        hours[seat_of.get(meter, meter), day, hour] += quantity
    return hours


def _of_master(question: Question, master: Master) -> list[dict[str, Any]]:
    seat_of = seats(question, master)
    hours = hours_of(question, master, seat_of)
    subs = sorted(set(seat_of.values()))
    rows: list[dict[str, Any]] = []
    for day in question.period.days():
        of_day = []
        for hour in range(24):
            if (master.meter, day, hour) in hours:
                used = {sub: hours[sub, day, hour] for sub in subs if (sub, day, hour) in hours}
                of_day.append(_row("hour", master, hours[master.meter, day, hour], used, len(subs)))
                of_day[-1] |= {"day": day, "hour": hour}
        if of_day:
            rows += [*of_day, _sum("day", master, of_day) | {"day": day}]
    if rows:
        rows.append(_sum("total", master, [row for row in rows if row["level"] == "day"]))
    return rows


def _row(level: str, master: Master, shown: int, used: dict[str, int], expected: int) -> dict[str, Any]:
    return _judged(
        {
            "level": level,
            "site": master.site,
            "master": master.meter,
            "master_milli": shown,
            "subs_milli": sum(used.values()),
            "subs_expected": expected,
            "subs_heard": len(used),
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
