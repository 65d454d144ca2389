"""CJ/T188-2004 and 2018 frames (water, heat, gas), both directions.

    68 | T | A0..A6 | C | L | DI DI | SER | body | CS | 16

The address is 14 digits, low byte first; CS is the sum mod 256 from the 68; nothing is offset. In the field the
identifier comes in both orders of its bytes, in frames of both editions: both are read, and an answer uses the order
of the question. FE and 00 may precede a frame.
"""

from dataclasses import dataclass

from collectors.wire.errors import FrameError
from collectors.wire.sum_cutter import SumCutter

READ, READ_ADDRESS, WRITE = 0x01, 0x03, 0x04
ANSWER, ABNORMAL, VENDOR = 0x80, 0x40, 0x20
READING, VALVE = 0x901F, 0xA017
VALVE_OPEN, VALVE_CLOSE = 0x55, 0x99
SHORTEST = 13
_START, _END = 0x68, 0x16
_BODY_AT = 11
VALUE_AT = 14
"""Where what follows identifier and SER begins."""
_LENGTH_MAX = 0x64
_HIGH_BYTES = frozenset({0x81, 0x90, 0x91, 0xA0, 0xA1, 0xD1, 0xD2, 0xD3, 0xD4})
"""High bytes of the identifiers that the standard knows; no low byte of one is among them but in its own order."""
_JUNK = b"\x00\xfe"


@dataclass(frozen=True, slots=True)
class Cjt188Frame:
    """A frame taken apart."""

    meter_type: int
    address: str
    """14 digits as read from left to right; AA in a byte is a wildcard."""
    control: int
    data: bytes
    """Identifier, SER and body, as sent."""

    @property
    def abnormal(self) -> bool:
        """Whether the meter refuses."""
        return self.control & (ANSWER | ABNORMAL) == ANSWER | ABNORMAL

    @property
    def di(self) -> int | None:
        """The identifier in the standard's order; None in an abnormal answer, which has none."""
        if self.abnormal or len(self.data) < 2:
            return None
        return _in_order(self.data[0], self.data[1])

    @property
    def ser(self) -> int | None:
        """The number of the request, which its answer repeats."""
        place = 0 if self.abnormal else 2
        return self.data[place] if len(self.data) > place else None

    @property
    def body(self) -> bytes:
        """What follows the identifier and SER."""
        return self.data[1 if self.abnormal else 3 :]


def _in_order(first: int, second: int) -> int:
    """The identifier that two bytes stand for, whichever of them was sent first."""
    return first << 8 | second if first in _HIGH_BYTES or second not in _HIGH_BYTES else second << 8 | first


def orders_of(di: int) -> tuple[bytes, ...]:
    """The bytes on the line that are read as an identifier: high byte first, low byte first, or both."""
    high = di.to_bytes(2, "big")
    return tuple(dict.fromkeys(sent for sent in (high, high[::-1]) if _in_order(sent[0], sent[1]) == di))


def encode_frame(meter_type: int, address: str, control: int, data: bytes) -> bytes:
    """A frame without preamble; `data` as sent."""
    body = bytes([_START, meter_type]) + bytes.fromhex(address)[::-1] + bytes([control, len(data)]) + data
    return body + bytes([sum(body) & 0xFF, _END])


def encode_read(meter_type: int, address: str, di: int, ser: int, *, swapped: bool = False) -> bytes:
    """A request to read an identifier; `swapped` sends its low byte first."""
    return encode_frame(meter_type, address, READ, di.to_bytes(2, "little" if swapped else "big") + bytes([ser]))


def encode_valve(
    meter_type: int,
    address: str,
    ser: int,
    state: int,
    *,
    control: int = WRITE,
    di: int = VALVE,
    swapped: bool = False,
) -> bytes:
    """A valve command; `state` is 55 to open, 99 to close, with makers that keep to the standard."""
    return encode_write(meter_type, address, ser, bytes([state]), control=control, di=di, swapped=swapped)


def encode_write(
    meter_type: int, address: str, ser: int, body: bytes, *, control: int, di: int, swapped: bool = False
) -> bytes:
    """A request to write what an identifier names."""
    return encode_frame(
        meter_type, address, control, di.to_bytes(2, "little" if swapped else "big") + bytes([ser]) + body
    )


def decode_frame(frame: bytes) -> Cjt188Frame:
    """Take one whole frame apart, from its 68 to its 16.

    Raises:
        FrameError: Length, start, end or check value is wrong.
    """
    if len(frame) < SHORTEST:
        raise FrameError(len(frame), f"is cut short: a frame has at least {SHORTEST} bytes")
    if frame[0] != _START:
        raise FrameError(0, f"is {frame[0]:02X}, not the start 68")
    if frame[10] != len(frame) - SHORTEST:
        raise FrameError(10, f"length says {frame[10]} data bytes, {len(frame) - SHORTEST} are there")
    if frame[-1] != _END:
        raise FrameError(len(frame) - 1, f"is {frame[-1]:02X}, not the end 16")
    check = sum(frame[:-2]) & 0xFF
    if frame[-2] != check:
        raise FrameError(len(frame) - 2, f"check value is {frame[-2]:02X}, right is {check:02X}")
    return Cjt188Frame(frame[1], frame[8:1:-1].hex().upper(), frame[9], frame[_BODY_AT:-2])


def read_body(frame: Cjt188Frame, di: int) -> bytes:
    """What follows identifier and SER in an answer to a read.

    Raises:
        FrameError: The meter refuses, or the answer is to something else.
    """
    if frame.abnormal:
        raise FrameError(9, f"the meter refuses: control {frame.control:02X}")
    if frame.control != READ | ANSWER:
        raise FrameError(9, f"control {frame.control:02X} is not the answer to a read")
    if frame.di != di or frame.ser is None:
        raise FrameError(_BODY_AT, f"is not the answer to {di:04X}")
    return frame.body


def strip_junk(frame: bytes) -> bytes:
    """A frame without what may precede it."""
    return frame.lstrip(_JUNK)


class Cjt188Cutter(SumCutter):
    """Cuts a stream into valid frames; what is none is passed over."""

    head_size = _BODY_AT

    def frame_size(self, head: bytes) -> int:
        """See `SumCutter.frame_size`."""
        return SHORTEST + head[10] if head[10] <= _LENGTH_MAX else 0
