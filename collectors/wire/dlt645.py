"""DL/T645-2007 frames, both directions.

    FE x 0..4 | 68 | A0..A5 | 68 | C | L | DATA | CS | 16

The address is 12 BCD digits, low byte first. Every data byte travels +33 mod 256; CS is the sum mod 256 from the first
68 to the last data byte, as sent. A read's data begins with the identifier, low byte first. DL/T645-1997 has the same
envelope with control 01/81 and two-byte identifiers; it is refused by its control code.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import IntFlag

from collectors.wire.errors import FrameError
from collectors.wire.sum_cutter import SumCutter

READ = 0x11
READ_ADDRESS = 0x13
BROADCAST_TIME = 0x08
RELAY = 0x1C
ANSWER = 0x80
ABNORMAL = 0x40
BROADCAST = "999999999999"
SHORTEST = 12
_START, _END, _PREAMBLE, _OFFSET = 0x68, 0x16, 0xFE, 0x33
_LENGTH_MAX = 200
_OF_1997 = frozenset({0x01, 0x02, 0x04, 0x0A, 0x0C, 0x0F, 0x10})
"""Function codes of DL/T645-1997 that mean nothing or something else in the 2007 edition."""


class MeterError(IntFlag):
    """ERR of an abnormal answer; it can carry several bits."""

    OTHER = 0x01
    NO_DATA = 0x02
    NOT_AUTHORISED = 0x04
    BAUD_RATE = 0x08
    YEAR_ZONES = 0x10
    DAY_SLOTS = 0x20
    TARIFFS = 0x40


@dataclass(frozen=True, slots=True)
class Dlt645Frame:
    """A frame taken apart; `data` without the +33."""

    address: str
    """12 digits as read from left to right; AA in a byte is a wildcard."""
    control: int
    data: bytes

    @property
    def abnormal(self) -> bool:
        """Whether the meter refuses."""
        return self.control & (ANSWER | ABNORMAL) == ANSWER | ABNORMAL

    @property
    def error(self) -> MeterError:
        """The bits of an abnormal answer's error; none in a normal one."""
        return MeterError(self.data[0] & 0x7F) if self.abnormal else MeterError(0)

    @property
    def di(self) -> int | None:
        """The data identifier of a read or its answer, else None."""
        reads = (READ, READ | ANSWER, READ | ANSWER | 0x20)
        return int.from_bytes(self.data[:4], "little") if self.control in reads and len(self.data) >= 4 else None


def encode_frame(address: str, control: int, data: bytes = b"") -> bytes:
    """A frame without preamble.

    Args:
        address: 12 digits, or AA for wildcard bytes.
        data: As meant, without the +33.
    """
    body = bytes([_START]) + bytes.fromhex(address)[::-1] + bytes([_START, control, len(data)])
    body += bytes((byte + _OFFSET) & 0xFF for byte in data)
    return body + bytes([sum(body) & 0xFF, _END])


def encode_read(address: str, di: int) -> bytes:
    """A request to read a data identifier."""
    return encode_frame(address, READ, di.to_bytes(4, "little"))


def encode_read_answer(address: str, di: int, value: bytes) -> bytes:
    """A meter's answer to a read; `value` low byte first."""
    return encode_frame(address, READ | ANSWER, di.to_bytes(4, "little") + value)


def encode_relay(address: str, command: int, *, deadline: datetime, password: bytes, operator: bytes) -> bytes:
    """A relay command (1C): void after `deadline`, which is local time of the meter.

    Args:
        command: N1: 1A trip, 1B allow closing, 1C close, 3A retain, 3B release.
        password: Level and three bytes, as sent.
        operator: Four bytes, as sent.
    """
    moments = (deadline.second, deadline.minute, deadline.hour, deadline.day, deadline.month, deadline.year % 100)
    return encode_frame(address, RELAY, password + operator + bytes([command, 0]) + bytes(map(to_bcd, moments)))


def encode_time(local: bytes) -> bytes:
    """The broadcast that sets the clocks of all meters that hear it: they answer nothing.

    Args:
        local: `ss mm hh DD MM YY` (`collectors.wire.clock.dlt645_clock`).
    """
    return encode_frame(BROADCAST, BROADCAST_TIME, local)


def decode_frame(frame: bytes) -> Dlt645Frame:
    """Take one whole frame apart, from its first 68 to its 16.

    Raises:
        FrameError: Length, start, end, check value or control code is wrong.
    """
    if len(frame) < SHORTEST:
        raise FrameError(len(frame), "is cut short: a frame has at least 12 bytes")
    for place in (0, 7):
        if frame[place] != _START:
            raise FrameError(place, f"is {frame[place]:02X}, not the start 68")
    if frame[9] != len(frame) - SHORTEST:
        raise FrameError(9, f"length says {frame[9]} data bytes, {len(frame) - SHORTEST} are there")
    if frame[-1] != _END:
        raise FrameError(len(frame) - 1, f"is {frame[-1]:02X}, not the end 16")
    check = sum(frame[:-2]) & 0xFF
    if frame[-2] != check:
        raise FrameError(len(frame) - 2, f"check value is {frame[-2]:02X}, right is {check:02X}")
    control = frame[8]
    if control & 0x1F in _OF_1997:
        raise FrameError(8, f"control {control:02X} is of DL/T645-1997")
    if control & (ANSWER | ABNORMAL) == ANSWER | ABNORMAL and frame[9] < 1:
        raise FrameError(9, "an abnormal answer has an error byte")
    data = bytes((byte - _OFFSET) & 0xFF for byte in frame[10:-2])
    return Dlt645Frame(frame[6:0:-1].hex().upper(), control, data)


def read_value(frame: Dlt645Frame, di: int) -> bytes:
    """The bytes behind the identifier in an answer to its read, low byte first.

    Raises:
        FrameError: The meter refuses, or the answer is to something else.
    """
    if frame.abnormal:
        raise FrameError(10, f"the meter refuses: error {frame.data[0]:02X}")
    if frame.control != READ | ANSWER:
        raise FrameError(8, f"control {frame.control:02X} is not the answer to a read")
    if frame.di != di:
        raise FrameError(10, f"is not the answer to {di:08X}")
    return frame.data[4:]


def value_of(frame: bytes, address: int, di: int, size: int) -> bytes:
    """The value, of so many bytes, in a meter's answer to a read; low byte first.

    Raises:
        FrameError: The frame is damaged, of another meter, a refusal or to something else, or has another length.
    """
    taken = decode_frame(frame)
    if taken.address != f"{address:012d}":
        raise FrameError(1, f"is of meter {taken.address}, not {address:012d}")
    value = read_value(taken, di)
    if len(value) != size:
        raise FrameError(9, f"has {len(value)} bytes of value, not {size}")
    return value


def from_bcd(value: bytes) -> int:
    """The number of BCD bytes, low byte first.

    Raises:
        FrameError: A digit is no digit; FF bytes (not available) are none either.
    """
    digits = value[::-1].hex()
    if not digits.isdecimal():
        raise FrameError(14, f"{digits.upper()} is no BCD")
    return int(digits)


def to_bcd(number: int) -> int:
    """Two digits as one byte."""
    return number // 10 * 16 + number % 10


class Dlt645Cutter(SumCutter):
    """Cuts a stream into valid frames: junk before a frame, damaged ones and preambles are passed over."""

    head_size = 10

    def frame_size(self, head: bytes) -> int:
        """See `SumCutter.frame_size`."""
        return SHORTEST + head[9] if head[7] == _START and head[9] <= _LENGTH_MAX else 0
