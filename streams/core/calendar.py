"""A site's calendar: which local days are workdays, weekends and holidays."""

from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.core.localtime import DAY_MS, OFFSET_MS


class DayType(IntEnum):
    WORKDAY = 0
    WEEKEND = 1
    HOLIDAY = 2


DAY_TYPES = tuple(day_type.name.lower() for day_type in DayType)
SATURDAY = 5
EPOCH_WEEKDAY = 3
"""1970-01-01 was a Thursday; Monday is 0."""


def usual_type(day: int) -> DayType:
    """The type of a local day (counted from 1970-01-01) that no order named."""
    return DayType.WEEKEND if (day + EPOCH_WEEKDAY) % 7 >= SATURDAY else DayType.WORKDAY


def day_start(day: int) -> int:
    """When a local day begins, ms."""
    return day * DAY_MS - OFFSET_MS


class SpecialDays(NamedTuple):
    """The days that orders named, as columns by rising day, for the compiled fold."""

    day: NDArray[np.int64]
    day_type: NDArray[np.uint8]


class Calendar:
    """The types of a site's days."""

    def __init__(self, days: Mapping[int, DayType] | None = None) -> None:
        self._types: dict[int, DayType] = dict(days or {})

    def type_of(self, day: int) -> DayType:
        """The type of a local day, counted from 1970-01-01."""
        named = self._types.get(day)
        return usual_type(day) if named is None else named

    def changes(self, days: Mapping[int, DayType]) -> list[int]:
        """Those of some days that would have another type than they have now."""
        return [day for day, day_type in days.items() if self.type_of(day) != day_type]

    def count_with(self, days: Mapping[int, DayType]) -> int:
        """How many days would have been named, with some more."""
        return len(self._types.keys() | days.keys())

    def name(self, days: Mapping[int, DayType]) -> None:
        """Take days in, over what was said of them before."""
        for day, day_type in days.items():
            self._types[day] = day_type

    def named(self) -> list[tuple[int, DayType]]:
        """All days that were named, by rising day."""
        return sorted(self._types.items())

    @property
    def special_days(self) -> SpecialDays:
        named = self.named()
        return SpecialDays(
            np.array([day for day, _ in named], np.int64), np.array([day_type for _, day_type in named], np.uint8)
        )
