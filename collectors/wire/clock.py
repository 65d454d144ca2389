"""A meter's own clock: what its answers say that it shows, and how it is written.

A meter's clock may show anything: zeros, 31 February. That is no damaged frame, and no time either.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from collectors.wire import cjt188, dlt645
from collectors.wire.errors import FrameError
from collectors.wire.template import Template

CJT188_SIZE: Final = 7
"""Second, minute, hour, day, month, and the year in two bytes, low byte first."""
_TIME_SIZE, _DATE_SIZE = 3, 4


def read_clock(answers: Sequence[bytes], template: Template, address: int) -> datetime | None:
    """The local time that a meter's clock shows; None where what it shows is no time.

    Args:
        answers: To the requests for its clock: on DL/T645 the time of day, then the date; on CJ/T188 one.
    Raises:
        FrameError: An answer is damaged, of another meter, a refusal or to something else; or the template knows of no
            clock.
    """
    clock = template.clock
    if clock is None:
        raise FrameError(0, f"a meter of template {template.name} has no clock that is read")
    if template.protocol == "dlt645-2007":
        time = dlt645.value_of(answers[0], address, clock.start, _TIME_SIZE)
        # The byte of the weekday says nothing that the date does not.
        _, *date = dlt645.value_of(answers[1], address, clock.date, _DATE_SIZE)
        return _moment(bytes([0x20, *reversed(date), *reversed(time)]))
    frame = cjt188.decode_frame(answers[0])
    if frame.address != f"{address:014d}":
        raise FrameError(2, f"is of meter {frame.address}, not {address:014d}")
    body = cjt188.read_body(frame, clock.start)
    if len(frame.data) != clock.length:
        raise FrameError(10, f"has {len(frame.data)} data bytes, not {clock.length}")
    return _moment(body[clock.at : clock.at + CJT188_SIZE][::-1])


def cjt188_clock(local: datetime) -> bytes:
    """A time as CJ/T188 has it.

    >>> cjt188_clock(datetime(2015, 5, 11, 22, 1, 31)).hex(" ")
    '31 01 22 11 05 15 20'
    """
    return bytes.fromhex(f"{local:%S%M%H%d%m%y}{local.year // 100:02d}")


def dlt645_clock(local: datetime) -> bytes:
    """A time as the broadcast of DL/T645 has it: `ss mm hh DD MM YY`.

    >>> dlt645_clock(datetime(2017, 6, 5, 10, 22, 51)).hex(" ")
    '51 22 10 05 06 17'
    """
    return bytes.fromhex(f"{local:%S%M%H%d%m%y}")


def _moment(digits: bytes) -> datetime | None:
    """Year in two bytes, month, day, hour, minute and second, high part first."""
    try:
        return datetime.strptime(digits.hex(), "%Y%m%d%H%M%S")  # noqa: DTZ007 a meter's own clock
    except ValueError:
        return None
