"""CJ/T188-2004 and 2018 frames (water, heat, gas), both directions.

    68 | T | A0..A6 | C | L | DI DI | SER | body | CS | 16

The address is 14 digits, low byte first; CS is the sum mod 256 from the 68; nothing is offset. In the field the
identifier comes in both orders of its bytes, in frames of both editions: both are read, and an answer uses the order
of the question. FE and 00 may precede a frame.
"""

from dataclasses import dataclass

from collectors.wire.errors import FrameError

READ, READ_ADDRESS, WRITE = 0x01, 0x03, 0x04
ANSWER, ABNORMAL, VENDOR = 0x80, 0x40, 0x20
READING, VALVE = 0x901F, 0xA017
VALVE_OPEN, VALVE_CLOSE = 0x55, 0x99
SHORTEST = 13
_START, _END = 0x68, 0x16
_BODY_AT = 11
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
        high, low = self.data[0], self.data[1]
        return high << 8 | low if high in _HIGH_BYTES or low not in _HIGH_BYTES else low << 8 | high

    @property
    def ser(self) -> int | None:
        """The number of the request, which its answer repeats."""
        place = 0 if self.abnormal else 2
        return self.data[place] if len(self.data) > place else None

    @property
    def body(self) -> bytes:
        """What follows the identifier and SER."""
        return self.data[1 if self.abnormal else 3 :]


def encode_frame(meter_type: int, address: str, control: int, data: bytes) -> bytes:
    """A frame without preamble; `data` as sent."""
    body = bytes([_START, meter_type]) + bytes.fromhex(address)[::-1] + bytes([control, len(data)]) + data
    return body + bytes([sum(body) & 0xFF, _END])


def encode_read(meter_type: int, address: str, di: int, ser: int, *, swapped: bool = False) -> bytes:
    """A request to read an identifier; `swapped` sends its low byte first."""
    return encode_frame(meter_type, address, READ, di.to_bytes(2, "little" if swapped else "big") + bytes([ser]))


def encode_valve(meter_type: int, address: str, ser: int, *, opened: bool, swapped: bool = False) -> bytes:
    """A valve command."""
    di = VALVE.to_bytes(2, "little" if swapped else "big")
    state = VALVE_OPEN if opened else VALVE_CLOSE
    return encode_frame(meter_type, address, WRITE, di + bytes([ser, state]))


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


def strip_junk(frame: bytes) -> bytes:
    """A frame without what may precede it."""
    return frame.lstrip(_JUNK)


class Cjt188Cutter:
    """Cuts a stream into valid frames; what is none is passed over byte by byte, so that a good one behind is found."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take bytes in; the valid frames that are whole now."""
        buffer = self._buffer
        buffer += chunk
        frames: list[bytes] = []
        place = 0
        while (place := buffer.find(_START, place)) >= 0:
            size = SHORTEST + buffer[place + 10] if len(buffer) > place + 10 else 0
            frame = bytes(buffer[place : place + size])
            if size and len(frame) == size and frame[-1] == _END and sum(frame[:-2]) & 0xFF == frame[-2]:
                frames.append(frame)
                del buffer[: place + size]
                place = 0
            else:
                # It may be a frame that is not whole, or no frame: what is behind it may be one all the same.
                place += 1
        self._forget_what_is_no_beginning()
        return frames

    def _forget_what_is_no_beginning(self) -> None:
        """Keep what can still become a frame: no more than the longest one can be."""
        buffer = self._buffer
        longest = SHORTEST + _LENGTH_MAX
        del buffer[: max(0, len(buffer) - longest)]
        start = buffer.find(_START)
        del buffer[: start if start >= 0 else len(buffer)]
