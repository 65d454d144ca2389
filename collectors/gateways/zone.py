"""The zone by which meters go."""

from datetime import UTC, datetime, timedelta, timezone

METER_ZONE = timezone(timedelta(hours=8))
"""The clocks of meters, by which DL/T645 deadlines are meant too."""


def local_time(at_ms: int) -> datetime:
    """A time in ms since 1970 UTC as meters show it, to the second."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).astimezone(METER_ZONE)
