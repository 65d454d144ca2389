"""Reports on consumption: by meter and day with bands, tiers and components, by hour, meters ranked and compared."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import pandas as pd

from analytics.filed_places import places_of
from analytics.period import Period
from analytics.places import per_m2
from analytics.question import Question, exact_frame

DAILY: Final = ("site", "account", "meter", "kind", "day", "consumption_milli", "unpriced_milli", "amount_nano")
HOURLY: Final = ("site", "account", "meter", "kind", "day", *(f"h{hour:02d}_milli" for hour in range(24)))
RANKING: Final = (
    "rank",
    "site",
    "account",
    "meter",
    "kind",
    "consumption_milli",
    "share_bp",
    "amount_nano",
    "month_before_milli",
    "month_over_month_bp",
    "year_before_milli",
    "year_over_year_bp",
    "area_m2_milli",
    "per_m2_milli",
)

_DAYS: Final = """
SELECT toString(site), toString(account), toString(meter), toString(kind), day, sum(used), sum(priced), sum(amount)
FROM
(
    SELECT site, account, meter, kind, day, consumption_milli AS used, 0 AS priced, 0 AS amount
    FROM meter_day WHERE {site} AND {days}
    UNION ALL
    SELECT site, account, meter, kind, day, 0 AS used, quantity_milli AS priced, amount_nano AS amount
    FROM meter_day_cells WHERE {site} AND {days}
)
GROUP BY site, account, meter, kind, day ORDER BY site, meter, day
"""

_CELLS: Final = """
SELECT toString(site), toString(meter), day, toString(band), tier, sum(quantity_milli)
FROM meter_day_cells WHERE {site} AND {days} GROUP BY site, meter, day, band, tier
"""

_COMPONENTS: Final = """
SELECT toString(site), toString(meter), day, component, sum(amount_nano)
FROM meter_day_components WHERE {site} AND {days} GROUP BY site, meter, day, component
"""

# sumMap leaves out sums of 0, so which hours had a reading is told by a bit for each.
_HOURS: Final = """
SELECT toString(site), toString(any(account)), toString(meter), toString(any(kind)), day,
    sumMap(map(hour, consumption_milli)), groupBitOr(bitShiftLeft(toUInt32(1), hour))
FROM
(
    SELECT site, account, meter, kind, consumption_milli, toDate(read_at, 'Asia/Shanghai') AS day,
        toHour(read_at, 'Asia/Shanghai') AS hour
    FROM readings WHERE {site} AND read_at >= %(first)s AND read_at < %(end)s
)
GROUP BY site, meter, day ORDER BY site, meter, day
"""

_SUMS: Final = """
SELECT toString(site) AS site, toString(account), toString(meter) AS meter, toString(kind),
    sum(consumption_milli), sum(amount_nano)
FROM readings WHERE {site} AND read_at >= %(first)s AND read_at < %(end)s
GROUP BY site, account, meter, kind
"""

_LAST_DAY: Final = "SELECT toDate(max(at), 'Asia/Shanghai') FROM readings WHERE at < %(end)s"


def usage(question: Question) -> pd.DataFrame:
    """What every meter consumed on every day, in all and by band and tier, and what it cost, by component.

    A consumption counts on the day of the reading that shows it, also where the interval began the day before.

    Returns:
        Columns `DAILY`, then `band_<name>_milli` for each band, `component_<name>_nano` for each component of a tariff
        and `tier_<number>_milli` for each tier (from 1) that occurs, by site, meter and day; Wh or litres, nano-yuan.
        `unpriced_milli` is below 0 on a day to which was added what a late tariff priced.
    """
    parts: dict[tuple[str, str, Any], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for site, meter, day, band, tier, quantity in question.ask(_CELLS):
        if quantity:
            parts[site, meter, day][f"band_{band}_milli"] += quantity
            parts[site, meter, day][f"tier_{tier + 1}_milli"] += quantity
    for site, meter, day, component, amount in question.ask(_COMPONENTS):
        if amount:
            parts[site, meter, day][f"component_{component}_nano"] = amount
    names = sorted({name for of_day in parts.values() for name in of_day})
    rows = []
    for site, account, meter, kind, day, used, priced, amount in question.ask(_DAYS):
        of_day: Mapping[str, int] = parts.get((site, meter, day), {})
        sums = (site, account, meter, kind, day, used, used - priced, amount)
        rows.append((*sums, *(of_day.get(name, 0) for name in names)))
    return exact_frame(rows, (*DAILY, *names))


def usage_hours(question: Question) -> pd.DataFrame:
    """What every meter consumed in every hour of every day, by the hour of the reading that shows it.

    Returns:
        Columns `HOURLY`, by site, meter and day; None in an hour without a reading.
    """
    return exact_frame(
        [
            (*names, *(sums.get(hour, 0) if heard >> hour & 1 else None for hour in range(24)))
            for *names, sums, heard in question.ask(_HOURS)
        ],
        HOURLY,
    )


def ranking(question: Question) -> pd.DataFrame:
    """Meters by consumption in a period, each beside the same days a month and a year before; of a period that is not
    over, beside as many days as there are.

    Returns:
        Columns `RANKING`, each kind ranked by itself. `share_bp` is of the kind's sum, the changes are relative to the
        consumption before, both rounded down; None where there was none. A replaced meter is a meter of its own.
        `area_m2_milli` (thousandths) and `per_m2_milli` (Wh or litres) are None where no area is told.
    Raises:
        AnalyticsError: There is a places file, and it is wrong.
    """
    places = places_of(question)
    now = question.ask(_SUMS)
    there = _days_there(question)
    before = {
        months: {(row[0], row[2]): row[4] for row in question.over(there.months_before(months)).ask(_SUMS)}
        for months in (1, 12)
    }
    rows = []
    for kind in sorted({row[3] for row in now}):
        of_kind = sorted((row for row in now if row[3] == kind), key=lambda row: (-row[4], row[0], row[2]))
        whole = sum(row[4] for row in of_kind)
        for rank, (site, account, meter, _, used, amount) in enumerate(of_kind, 1):
            month, year = (before[months].get((site, meter)) for months in (1, 12))
            share = used * 10_000 // whole if whole else None
            compared = (month, _change(used, month), year, _change(used, year))
            place = places.get((site, meter))
            area = None if place is None else place.area_milli
            sizes = (area, per_m2(used, area))
            rows.append((rank, site, account, meter, kind, used, share, amount, *compared, *sizes))
    return exact_frame(rows, RANKING)


def _days_there(question: Question) -> Period:
    """The period without the days that are to come: nothing of them can be held against a month before."""
    ((last,),) = question.ask(_LAST_DAY)
    period = question.period
    return Period(period.first, min(period.end, max(period.first, last) + timedelta(days=1)))


def _change(now: int, before: int | None) -> int | None:
    """How much more it is, in hundredths of a percent."""
    return (now - before) * 10_000 // before if before else None
