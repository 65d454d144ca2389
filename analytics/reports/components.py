"""Report: what deductions were for, by the components of their tariffs."""

from collections import defaultdict
from typing import Final

import pandas as pd

from analytics.question import Question, exact_frame

COLUMNS: Final = (
    "level",
    "site",
    "kind",
    "component",
    "tariff",
    "band",
    "tier",
    "price_nano",
    "quantity_milli",
    "amount_nano",
)

# A price is of a thousandth of the unit there, of the unit here.
_CELLS: Final = """
SELECT toString(site), toString(kind), component, toString(tariff), toString(band), toUInt32(tier) + 1,
    toInt128(price_nano) * 1000, sum(toInt128(quantity_milli)), sum(toInt128(amount_nano))
FROM account_day_components WHERE {site} AND {days}
GROUP BY site, kind, component, tariff, band, tier, price_nano
ORDER BY site, kind, component, tariff, band, tier, price_nano
"""


def components(question: Question) -> pd.DataFrame:
    """What each component of the tariffs brought in a period, by the day of booking.

    Returns:
        Columns `COLUMNS`. Level price: a row for each site, kind, component, tariff, band, tier (from 1) and price of a
        kWh or m³; level site: each component of each kind; level group: the same of all sites. The amounts of a site
        add up to what energy-and-finance has as deducted. A quantity is there once for each component.
    """
    rows = [dict(zip(COLUMNS[1:], row, strict=True)) for row in question.ask(_CELLS)]
    sums: dict[tuple[str, str | None, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        for level, site in (("site", row["site"]), ("group", None)):
            total = sums[level, site, row["kind"], row["component"]]
            total[0] += row["quantity_milli"]
            total[1] += row["amount_nano"]
    shown: list[dict[str, object]] = [{"level": "price"} | row for row in rows]
    for level in ("site", "group"):
        for (of_level, site, kind, component), (quantity, amount) in sums.items():
            if of_level == level:
                names = {"level": level, "site": site, "kind": kind, "component": component}
                shown.append(names | {"quantity_milli": quantity, "amount_nano": amount})
    return exact_frame([[row.get(name) for name in COLUMNS] for row in shown], COLUMNS)
