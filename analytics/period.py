"""Periods of whole local days, first included, last excluded, as a report asks for them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from analytics.errors import AnalyticsError
from streams.core.localtime import DAY_MS, OFFSET_MS

_EPOCH = date(1970, 1, 1)

FIRST: Final = date(1970, 1, 2)
"""The first local day that begins after the database's calendar of days does."""
END: Final = date(2149, 1, 1)
"""The database's calendar ends within this year."""


@dataclass(frozen=True, slots=True)
class Period:
    """The local days from `first` up to but not including `end`, in Asia/Shanghai.

    Raises:
        AnalyticsError: There is no day in it, or one before `FIRST` or after `END`.
    """

    first: date
    end: date

    def __post_init__(self) -> None:
        if self.end <= self.first:
            raise AnalyticsError(f"from {self.first} to {self.end} is no day: the last day is not included")
        if self.first < FIRST or self.end > END:
            raise AnalyticsError(f"from {self.first} to {self.end}: the database knows days from {FIRST} up to {END}")

    @property
    def first_ms(self) -> int:
        """Milliseconds since 1970 UTC at which it begins.

        >>> Period(date(1970, 1, 2), date(1970, 1, 3)).first_ms // 3_600_000
        16
        """
        return day_start_ms(self.first)

    @property
    def end_ms(self) -> int:
        """Milliseconds since 1970 UTC at which it is over."""
        return day_start_ms(self.end)

    def days(self) -> Iterator[date]:
        """Its days in order."""
        for number in range((self.end - self.first).days):
            yield self.first + timedelta(days=number)

    def months_before(self, months: int) -> "Period":
        """The same days some months earlier; a day that the month lacks is its last one, whole months stay whole.

        >>> Period(date(2026, 3, 1), date(2026, 4, 1)).months_before(1)
        Period(first=datetime.date(2026, 2, 1), end=datetime.date(2026, 3, 1))
        >>> Period(date(2026, 3, 30), date(2026, 3, 31)).months_before(1)
        Period(first=datetime.date(2026, 2, 28), end=datetime.date(2026, 3, 1))

        Raises:
            AnalyticsError: That is before `FIRST`.
        """
        # The last day goes back, not the day after it: that may be one which the earlier month lacks as well.
        if self.end.day == 1:
            return Period(_months_before(self.first, months), _months_before(self.end, months))
        last = self.end - timedelta(days=1)
        return Period(_months_before(self.first, months), _months_before(last, months) + timedelta(days=1))


def day_start_ms(day: date) -> int:
    """When a local day begins, ms since 1970 UTC."""
    return (day - _EPOCH).days * DAY_MS - OFFSET_MS


def _months_before(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    following = date(year + (month + 1) // 12, (month + 1) % 12 + 1, 1)
    last = (following - timedelta(days=1)).day
    return date(year, month + 1, min(day.day, last))
