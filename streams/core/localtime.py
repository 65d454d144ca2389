"""Times as milliseconds since 1970 UTC, their text, and a site's local calendar.

Every site is in `Asia/Shanghai`, which has been UTC+8 without summer time since 1992; the core reads no time zone
files, it adds eight hours. Months are counted from year 0 (`year * 12 + month - 1`).
"""

import re
from datetime import UTC, datetime, timedelta

SECOND_MS = 1_000
MINUTE_MS = 60_000
DAY_MS = 86_400_000
MINUTES_A_DAY = 1_440
OFFSET_MS = 8 * 3_600_000
LONG_AGO_MS = -(1 << 61)
"""Before any time that a text can spell."""
FAR_AHEAD_MS = 1 << 61
"""After any time that a text can spell."""

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,3})?(?:Z|[+-][0-9]{2}:[0-9]{2})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_FIRST_MS = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MILLISECOND
_LAST_MS = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MILLISECOND
_RANGE = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-(?:([01][0-9]|2[0-3]):([0-5][0-9])|24:00)")


def parse_time(text: str) -> int | None:
    """Milliseconds since 1970 UTC of an ISO 8601 time with offset (P3); None where the text is no such time.

    Local years are 1 to 9999, so that every time that is read can be written.

    >>> parse_time("1970-01-01T08:00:00.5+08:00"), parse_time("2026-02-30T00:00:00Z")
    (500, None)
    >>> parse_time("9999-12-31T16:00:00Z")
    """
    if _TIME.fullmatch(text) is None:
        return None
    try:
        at = (datetime.fromisoformat(text) - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError):
        return None
    return at if _FIRST_MS <= at + OFFSET_MS <= _LAST_MS else None


def format_time(at: int) -> str:
    """ISO 8601 in the site's zone; three decimals only where the milliseconds are not zero.

    >>> format_time(500), format_time(1_000)
    ('1970-01-01T08:00:00.500+08:00', '1970-01-01T08:00:01+08:00')
    """
    days, ms = divmod(at + OFFSET_MS, DAY_MS)
    year, month, day = civil(days)
    seconds, ms = divmod(ms, SECOND_MS)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    fraction = f".{ms:03d}" if ms else ""
    return f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}{fraction}+08:00"


class MinuteRange(tuple[int, int]):
    """A daily range of local minutes, start included, end excluded; may wrap midnight, end may be 1440."""

    def covers(self, minute: int) -> bool:
        start, end = self
        return start <= minute < end if start < end else minute >= start or minute < end


def parse_range(text: str) -> MinuteRange | None:
    """The range that `hh:mm-hh:mm` spells; only an end may be 24:00; None where it spells none."""
    match = _RANGE.fullmatch(text)
    if match is None:
        return None
    start = int(match[1]) * 60 + int(match[2])
    end = 1440 if match[3] is None else int(match[3]) * 60 + int(match[4])
    return MinuteRange((start, end))


def civil(days: int) -> tuple[int, int, int]:
    """Year, month, day of a count of days since 1970-01-01 (proleptic Gregorian, any year).

    >>> civil(0), civil(20_513)
    ((1970, 1, 1), (2026, 3, 1))
    """
    # Years are taken to begin in March, so that the leap day is the last of its year.
    era, of_era = divmod(days + 719_468, 146_097)
    year_of_era = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * of_year + 2) // 153
    day = of_year - (153 * shifted + 2) // 5 + 1
    month = shifted + 3 if shifted < 10 else shifted - 9
    return era * 400 + year_of_era + (month <= 2), month, day


def minute_of_day(at: int) -> int:
    """The local minute of the day, 0 to 1439."""
    return (at + OFFSET_MS) % DAY_MS // MINUTE_MS


def day_of(at: int) -> int:
    """The local day that a time lies in, counted from 1970-01-01."""
    return (at + OFFSET_MS) // DAY_MS


def parse_day(text: str) -> int | None:
    """The day that `YYYY-MM-DD` spells, counted from 1970-01-01; None where it spells none.

    >>> parse_day("1970-01-02"), parse_day("2026-02-29")
    (1, None)
    """
    at = parse_time(f"{text}T00:00:00Z")
    return None if at is None else at // DAY_MS


def format_day(day: int) -> str:
    """The text of a local day.

    >>> format_day(0)
    '1970-01-01'
    """
    return "{:04d}-{:02d}-{:02d}".format(*civil(day))


def month_of(at: int) -> int:
    """The local month that a time lies in, counted from year 0."""
    year, month, _ = civil((at + OFFSET_MS) // DAY_MS)
    return year * 12 + month - 1


def month_start(month: int) -> int:
    """The time at which a local month begins."""
    year, index = divmod(month, 12)
    shifted_year, shifted = (year, index - 2) if index >= 2 else (year - 1, index + 10)
    era, year_of_era = divmod(shifted_year, 400)
    of_year = (153 * shifted + 2) // 5
    of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + of_year
    return (era * 146_097 + of_era - 719_468) * DAY_MS - OFFSET_MS
