"""The BDEW standard load profiles as integer weights of a year's quarter hours.

The German utilities' association publishes what the average shop, office or household draws in each quarter
hour, by season and day of the week. The demandlib package ships the table as a CSV file, which is read here
directly: demandlib's own `ElecSlp` stops on a deprecation warning of pandas 3, takes seconds to import, and
gives floats, where registers must add up exactly. The unit tests hold this reading against `ElecSlp`.
"""

import csv
from array import array
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from infra.fleet.errors import FleetError

QUARTER_MS = 900_000
DAY_MS = 96 * QUARTER_MS
QUARTERS_A_DAY = 96
_TABLE = Path("bdew", "bdew_data", "selp_series.csv")
_WEIGHT_DECIMALS = 6


class Shape(StrEnum):
    """Who draws power when; the value is the profile's name in the table."""

    HOUSEHOLD = "h0"
    OFFICE = "g1"
    EVENING_TRADE = "g2"
    ALWAYS_ON = "g3"
    SHOP = "g4"
    BAKERY = "g5"
    WEEKEND_TRADE = "g6"


class _Season(StrEnum):
    SUMMER = "summer"
    TRANSITION = "transition"
    WINTER = "winter"


@dataclass(frozen=True, slots=True)
class YearProfile:
    """A calendar year of one shape.

    Attributes:
        start_ms: Local midnight on 1 January, as milliseconds of local time since 1970.
        end_ms: The same of the next year.
        weights: What each quarter hour weighs; whole numbers, all above 0.
        prefix: `prefix[q]` is the sum of the weights before quarter hour q; one longer than `weights`.
    """

    start_ms: int
    end_ms: int
    weights: "array[int]"
    prefix: "array[int]"

    @property
    def days(self) -> int:
        return len(self.weights) // QUARTERS_A_DAY


@cache
def year_profile(shape: Shape, year: int) -> YearProfile:
    """Lay a shape's typical days out over a calendar year (no holidays; Sundays are as published)."""
    first = date(year, 1, 1)
    days = (date(year + 1, 1, 1) - first).days
    rows = []
    for number in range(days):
        day = first + timedelta(days=number)
        row = _typical_days()[shape][_season(day), day.isoweekday()]
        rows.append(row * _dynamic(number + 1) if shape is Shape.HOUSEHOLD else row * 10_000)
    weights = np.concatenate(rows)
    prefix = np.concatenate([np.zeros(1, np.int64), np.cumsum(weights)])
    start_ms = int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * 1000
    return YearProfile(
        start_ms=start_ms,
        end_ms=start_ms + days * DAY_MS,
        weights=array("q", weights.tobytes()),
        prefix=array("q", prefix.tobytes()),
    )


def _season(day: date) -> _Season:
    """Tell the BDEW season: winter from 1 November to 20 March, summer from 15 May to 14 September."""
    month_day = (day.month, day.day)
    if (5, 15) <= month_day <= (9, 14):
        return _Season.SUMMER
    if (3, 21) <= month_day <= (10, 31):
        return _Season.TRANSITION
    return _Season.WINTER


def _dynamic(day_of_year: int) -> int:
    """Give the household profile's factor of the day in ten-thousandths (BDEW rounds it to four decimals).

    The published polynomial's coefficients are taken as whole multiples of 10^-12, so that no float comes in.
    """
    t = day_of_year
    factor = -392 * t**4 + 320_000 * t**3 - 70_200_000 * t**2 + 2_100_000_000 * t + 1_240_000_000_000
    return (factor + 50_000_000) // 100_000_000


@cache
def _typical_days() -> dict[Shape, dict[tuple[_Season, int], NDArray[np.int64]]]:
    """Read the table: for each shape, season and day of the week (1 is Monday) its 96 weights in 10^-6."""
    path = _package_folder() / _TABLE
    collected: dict[Shape, dict[tuple[_Season, int], list[int]]] = {shape: {} for shape in Shape}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            place = (_Season(row["period"]), int(row["weekday"]))
            for shape in Shape:
                collected[shape].setdefault(place, []).append(_millionths(row[shape]))
    for shape, days in collected.items():
        if len(days) != 21 or any(len(day) != QUARTERS_A_DAY or min(day) < 1 for day in days.values()):
            raise FleetError(f"{path}: the profile {shape} is not 21 typical days of 96 values above 0")
    return {
        shape: {place: np.array(day, dtype=np.int64) for place, day in days.items()}
        for shape, days in collected.items()
    }


def _package_folder() -> Path:
    """Find demandlib without importing it: the import alone loads pandas and takes seconds."""
    spec = find_spec("demandlib")
    if spec is None or not spec.submodule_search_locations:
        raise FleetError("the package demandlib, which holds the load profiles, is not installed")
    return Path(spec.submodule_search_locations[0])


def _millionths(text: str) -> int:
    """Read a decimal as a whole number of 10^-6.

    >>> _millionths("0.086360")
    86360
    """
    whole, _, fraction = text.partition(".")
    if len(fraction) > _WEIGHT_DECIMALS:
        raise FleetError(f"a load profile's value {text!r} has more than {_WEIGHT_DECIMALS} decimals")
    return int(whole + fraction.ljust(_WEIGHT_DECIMALS, "0"))
