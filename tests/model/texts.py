"""The texts of the scenario language: times, decimals and ranges of the day, read and written.

A text that is none of its kind raises `ValueError`; what that means for the line is for `language` to say.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

ZONE_OFFSET = 8 * HOUR
"""Asia/Shanghai: one offset since September 1991, and no meter of ours is older."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,3}))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII)
DATE = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
DECIMAL = re.compile(r"-?\d+(?:\.\d+)?", re.ASCII)
RANGE = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class DayRange:
    """A part of the local day in minutes, start included, end excluded; `start` > `end` wraps midnight."""

    start: int
    end: int

    @property
    def is_empty(self) -> bool:
        """Whether the start is the end, which no order may name (00:00-24:00 is the whole day)."""
        return self.start == self.end

    def minutes(self) -> set[int]:
        """Every minute of the day that the range holds."""
        if self.start < self.end:
            return set(range(self.start, self.end))
        return set(range(self.start, 24 * 60)) | set(range(self.end))

    def holds(self, time_of_day: int) -> bool:
        """Whether the range holds this many milliseconds after local midnight."""
        start, end = self.start * MINUTE, self.end * MINUTE
        if start < end:
            return start <= time_of_day < end
        return time_of_day >= start or time_of_day < end


def parse_time(text: str) -> int:
    """Read `YYYY-MM-DDThh:mm:ss[.f]` with `Z` or an offset, as milliseconds since 1970 UTC.

    >>> parse_time("1970-01-01T08:00:00.5+08:00")
    500
    """
    match = TIME.fullmatch(text)
    if match is None:
        raise ValueError("no time")
    year, month, day, hour, minute, second = (int(match[group]) for group in range(1, 7))
    wall = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    milliseconds = int((match[7] or "").ljust(3, "0"))
    offset = 0
    if match[8]:
        if int(match[9]) > 23 or int(match[10]) > 59:
            raise ValueError("no offset")
        offset = int(match[9]) * HOUR + int(match[10]) * MINUTE
        offset = -offset if match[8] == "-" else offset
    time = (wall - EPOCH) // timedelta(milliseconds=1) + milliseconds - offset
    try:
        local(time)
    except OverflowError:
        raise ValueError("outside the years 1 to 9999") from None
    return time


def parse_date(text: str) -> date:
    """Read `YYYY-MM-DD`."""
    if DATE.fullmatch(text) is None:
        raise ValueError("no date")
    return date.fromisoformat(text)


def parse_decimal(text: str) -> Fraction:
    """Read `-?digits[.digits]` exactly."""
    if DECIMAL.fullmatch(text) is None:
        raise ValueError("no decimal")
    whole, _, decimals = text.partition(".")
    return Fraction(int(whole + decimals), 10 ** len(decimals))


def parse_range(text: str) -> DayRange:
    """Read `hh:mm-hh:mm`; only the end may be 24:00."""
    match = RANGE.fullmatch(text)
    if match is None:
        raise ValueError("no range")
    start_hour, start_minute, end_hour, end_minute = (int(match[group]) for group in range(1, 5))
    start, end = start_hour * 60 + start_minute, end_hour * 60 + end_minute
    if start_hour > 23 or start_minute > 59 or end_minute > 59 or end > 24 * 60:
        raise ValueError("no time of day")
    return DayRange(start, end)


def local(time: int) -> datetime:
    """The site's wall clock at a time, as a `datetime` whose zone means nothing.

    >>> local(0).hour
    8
    """
    return EPOCH + timedelta(milliseconds=time + ZONE_OFFSET)


def time_of_day(time: int) -> int:
    """Milliseconds since local midnight."""
    return (time + ZONE_OFFSET) % DAY


def midnight(time: int) -> int:
    """The local midnight at or before a time."""
    return time - time_of_day(time)


def write_time(time: int) -> str:
    """Write a time in the site's zone, with three decimals only if its milliseconds are not zero.

    >>> write_time(500)
    '1970-01-01T08:00:00.500+08:00'
    """
    moment = local(time)
    milliseconds = f".{moment.microsecond // 1000:03}" if moment.microsecond else ""
    # Not strftime: its %Y does not pad years before 1000 everywhere.
    date = f"{moment.year:04}-{moment.month:02}-{moment.day:02}"
    return f"{date}T{moment.hour:02}:{moment.minute:02}:{moment.second:02}{milliseconds}+08:00"


def write_decimal(amount: int, decimals: int) -> str:
    """Write `amount` / 10^`decimals` exactly, without trailing zeros.

    >>> write_decimal(-12345, 3), write_decimal(2000, 3), write_decimal(0, 9)
    ('-12.345', '2', '0')
    """
    whole, rest = divmod(abs(amount), 10**decimals)
    text = f"{whole}.{rest:0{decimals}}".rstrip("0").rstrip(".")
    return f"-{text}" if amount < 0 else text
