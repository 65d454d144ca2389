"""Which readings count for what, by their flags."""

from typing import Final

from streams.core.outcome import Flag

UNACCEPTED: Final = Flag.DUPLICATE | Flag.CONFLICT | Flag.LATE | Flag.BACKWARDS | Flag.IMPLAUSIBLE | Flag.PRICED_LATE
"""Rows that do not move the accepted register; the view `accepted_readings` leaves them out."""

REPEATED: Final = Flag.DUPLICATE | Flag.CONFLICT
"""Readings of a time that the meter was read at before."""
