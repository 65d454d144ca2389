"""Where meters hang, and how large what they supply is: a CSV file that whoever knows the buildings writes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from analytics.csv_file import read_csv
from analytics.errors import AnalyticsError
from streams.core.units import parse_decimal

_NEEDED: Final = ("site", "meter")
_OPTIONAL: Final = ("building", "circuit", "area_m2")
_PLACES_OF_AREA: Final = 3


@dataclass(frozen=True, slots=True)
class Place:
    """Where a meter hangs.

    Attributes:
        seat: The meter that the file names: what replaced it hangs there too.
        building, circuit: Empty where the file does not tell.
        area_milli: Thousandths of a m², above 0; None where the file does not tell.
    """

    seat: str
    building: str = ""
    circuit: str = ""
    area_milli: int | None = None

    @property
    def is_told(self) -> bool:
        """Whether it is any place at all."""
        return bool(self.building or self.circuit or self.area_milli)


Places = Mapping[tuple[str, str], Place]
"""By site and meter."""


def read_places(path: Path) -> Places:
    """Read a CSV file with a line of headings: `site`, `meter`, and maybe `building`, `circuit`, `area_m2`.

    Areas are decimals above 0 with three places at most; other columns do not matter.

    Raises:
        AnalyticsError: The file cannot be read, lacks a column, or has a line that is none; says which.
    """
    places: dict[tuple[str, str], Place] = {}
    for where, given in read_csv(path, _NEEDED, _OPTIONAL):
        key = given["site"], given["meter"]
        if not all(key):
            raise AnalyticsError(f"{where}: site and meter must not be empty")
        if key in places:
            raise AnalyticsError(f"{where}: site {key[0]}, meter {key[1]} stands there twice")
        area = _area(where, given.get("area_m2", ""))
        places[key] = Place(key[1], given.get("building", ""), given.get("circuit", ""), area)
    return places


def _area(where: str, text: str) -> int | None:
    if not text:
        return None
    quantity = parse_decimal(text)
    area = None if quantity is None else quantity.scaled(_PLACES_OF_AREA)
    if area is None or area <= 0:
        raise AnalyticsError(f"{where}: area_m2 {text!r} is no decimal above 0 with {_PLACES_OF_AREA} places at most")
    return area


def per_m2(consumption_milli: int, area_milli: int | None) -> int | None:
    """Wh or litres per m², to the nearest, halves up.

    >>> per_m2(1_500_000, 60_000), per_m2(1, 2_000), per_m2(7, None)
    (25000, 1, None)
    """
    return None if area_milli is None else (2 * 1000 * consumption_milli + area_milli) // (2 * area_milli)
