"""Report: consumption by building and circuit, per m² where areas are known."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

import pandas as pd

from analytics.errors import AnalyticsError
from analytics.filed_places import places_of
from analytics.places import per_m2
from analytics.question import Question, exact_frame

COLUMNS: Final = (
    "level",
    "site",
    "building",
    "circuit",
    "kind",
    "meters",
    "consumption_milli",
    "amount_nano",
    "area_m2_milli",
    "per_m2_milli",
)

_SUMS: Final = """
SELECT CAST(site, 'String'), CAST(meter, 'String'), CAST(kind, 'String'), sum(consumption_milli), sum(amount_nano)
FROM readings WHERE {site} AND read_at >= %(first)s AND read_at < %(end)s
GROUP BY site, meter, kind
"""

_LEVELS: Final = {"building": 0, "circuit": 1, "unplaced": 2}


@dataclass(slots=True)
class _Zone:
    consumption: int = 0
    amount: int = 0
    areas: dict[str, int | None] = field(default_factory=dict)
    """By seat: a meter and what replaced it share one area."""

    @property
    def area(self) -> int | None:
        """None where that of one meter is not known: per m² of the rest would be too much."""
        known = [area for area in self.areas.values() if area is not None]
        return sum(known) if known and len(known) == len(self.areas) else None


def zones(question: Question) -> pd.DataFrame:
    """What buildings and circuits consumed, by the meter's time; where meters hang is as of the period's last day.

    Returns:
        Columns `COLUMNS`: for each site and kind a row for each building, each followed by its circuits, and one
        (`level` unplaced) for the meters of which no place is told, master meters among them. `meters` counts seats:
        a meter and what replaced it are one. Wh or litres, nano-yuan, thousandths of a m², Wh or litres per m².
    Raises:
        AnalyticsError: Nobody told a place, or the places file is wrong, or names a meter that its site has not.
    """
    places = places_of(question)
    if not places and question.places is None:
        raise AnalyticsError("which meter hangs where? `sluice places FILE.csv` files it, --places tells it for once")
    found: dict[tuple[str, str, str, str, str], _Zone] = defaultdict(_Zone)
    for site, meter, kind, consumption, amount in question.ask(_SUMS):
        place = places.get((site, meter))
        keys = [(site, kind, "", "", "unplaced")]
        if place is not None:
            keys = [
                (site, kind, place.building, "", "building"),
                (site, kind, place.building, place.circuit, "circuit"),
            ]
        for key in keys:
            zone = found[key]
            zone.consumption += consumption
            zone.amount += amount
            zone.areas[meter if place is None else place.seat] = None if place is None else place.area_milli
    rows = []
    for site, kind, building, circuit, level in sorted(found, key=_order):
        zone = found[site, kind, building, circuit, level]
        names = (level, site, building or None, circuit or None, kind)
        sums = (len(zone.areas), zone.consumption, zone.amount, zone.area, per_m2(zone.consumption, zone.area))
        rows.append((*names, *sums))
    return exact_frame(rows, COLUMNS)


def _order(key: tuple[str, str, str, str, str]) -> tuple[str, str, bool, str, int, str]:
    site, kind, building, circuit, level = key
    return site, kind, level == "unplaced", building, _LEVELS[level], circuit
