"""Report: what deductions were for, by the components of their tariffs."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd

from analytics.errors import TieError
from analytics.money import yuan
from analytics.question import Question, exact_frame
from analytics.settled import settled
from streams.core.outcome import NO_VERSION

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

# As the view account_day_components has it, without accounts and days: their cells would be as many as the readings. A
# price is of a thousandth of the unit there, of the unit here.
_CELLS: Final = """
SELECT toString(cells.site), toString(kind), component, toString(cells.tariff), toString(cells.band),
    toUInt32(cells.tier) + 1, toInt128(price_nano) * 1000, sum(quantity), sum(quantity * price_nano)
FROM
(
    SELECT site, kind, tariff, version, band, tier, sum(toInt128(milli)) AS quantity
    FROM
    (
        SELECT site, kind, tariff, version, band, tier, consumption_milli AS milli FROM readings
        WHERE {site} AND at >= %(first)s AND at < %(end)s AND version != {no_version}
        UNION ALL
        SELECT site, kind, tariff, version, band, tier, quantity_milli AS milli FROM pieces
        WHERE {site} AND at >= %(first)s AND at < %(end)s
    ) AS priced
    GROUP BY site, kind, tariff, version, band, tier
) AS cells
INNER JOIN component_prices AS prices
    ON cells.site = prices.site AND cells.version = prices.version AND cells.band = prices.band
    AND cells.tier = prices.tier
GROUP BY cells.site, kind, component, cells.tariff, cells.band, cells.tier, price_nano
ORDER BY cells.site, kind, component, cells.tariff, cells.band, cells.tier, price_nano
""".replace("{no_version}", str(NO_VERSION))


_DEDUCTED: Final = """
SELECT toString(site), sum(toInt128(amount_nano)) AS deducted FROM readings
WHERE {site} AND at >= %(first)s AND at < %(end)s
GROUP BY site HAVING deducted != 0
"""


def components(question: Question) -> pd.DataFrame:
    """What each component of the tariffs brought in a period, by the day of booking.

    Returns:
        Columns `COLUMNS`. Level price: a row for each site, kind, component, tariff, band, tier (from 1) and price of a
        kWh or m³; level site: each component of each kind; level group: the same of all sites. The amounts of a site
        add up to what energy-and-finance has as deducted. A quantity is there once for each component.
    Raises:
        TieError: They do not add up: a tariff version is missing, or an amount is not its quantity times the price.
    """
    return settled(question, _made)


def _made(question: Question) -> pd.DataFrame:
    rows = [dict(zip(COLUMNS[1:], row, strict=True)) for row in question.ask(_CELLS)]
    sums: dict[tuple[str, str | None, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        for level, site in (("site", row["site"]), ("group", None)):
            total = sums[level, site, row["kind"], row["component"]]
            total[0] += row["quantity_milli"]
            total[1] += row["amount_nano"]
    _check(question, rows)
    shown: list[dict[str, object]] = [{"level": "price"} | row for row in rows]
    for level in ("site", "group"):
        for (of_level, site, kind, component), (quantity, amount) in sums.items():
            if of_level == level:
                names = {"level": level, "site": site, "kind": kind, "component": component}
                shown.append(names | {"quantity_milli": quantity, "amount_nano": amount})
    return exact_frame([[row.get(name) for name in COLUMNS] for row in shown], COLUMNS)


def _check(question: Question, rows: Sequence[Mapping[str, Any]]) -> None:
    """See that a site's components are all that its accounts were charged."""
    off: dict[str, int] = defaultdict(int, question.ask(_DEDUCTED))
    for row in rows:
        off[row["site"]] -= row["amount_nano"]
    for site, amount in sorted(off.items()):
        if amount:
            raise TieError(f"site {site}: {yuan(amount)} yuan are of no component's; `sluice audit` tells more")
