"""Frames of Acrel's 4G meters, which call a server over TCP themselves.

    7B 7B | command | payload | CRC (low byte first) | 7D 7D

CRC is CRC-16/Modbus over command and payload. The payload is binary and has no length, so it may hold 7D 7D: a frame
ends where 7D 7D follows a right CRC. As jerryxiaosa/ems4j, a public driver for these meters, has it:

    84  registers: serial number 20 bytes, ICCID 30, signal strength 1, three versions of 2, minutes between uploads 1;
        answered with an empty 84
    93  asks for the time; answered with year, month, day, weekday (0 Sunday), hour, minute, second, binary
    94  heartbeat; not answered
    91  uploads readings; answered with an empty 91
    90  Modbus RTU request; answered with the RTU answer, with or without the serial number before it
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from collectors.wire.errors import FrameError
from collectors.wire.modbus_rtu import CRC_BEGIN, crc16

START, END = b"\x7b\x7b", b"\x7d\x7d"
REGISTER, TIME, HEARTBEAT, UPLOAD, PASS_THROUGH = 0x84, 0x93, 0x94, 0x91, 0x90
SERIAL_SIZE = 20
REGISTER_SIZE = 58
SHORTEST = 7
_CRC_SIZE = 2
_LONGEST = 1024
_COMMANDS = frozenset({REGISTER, TIME, HEARTBEAT, UPLOAD, PASS_THROUGH, 0x82, 0x88, 0x89, 0x97})


@dataclass(frozen=True, slots=True)
class Acrel4gFrame:
    """A frame taken apart."""

    command: int
    payload: bytes


def encode_frame(command: int, payload: bytes = b"") -> bytes:
    """A frame.

    >>> encode_frame(REGISTER).hex(" ").upper()
    '7B 7B 84 BF 23 7D 7D'
    """
    body = bytes([command]) + payload
    return START + body + crc16(body).to_bytes(2, "little") + END


def decode_frame(frame: bytes) -> Acrel4gFrame:
    """Take one whole frame apart.

    Raises:
        FrameError: Length, start, end or CRC is wrong.
    """
    if len(frame) < SHORTEST:
        raise FrameError(len(frame), f"is cut short: a frame has at least {SHORTEST} bytes")
    if frame[:2] != START:
        raise FrameError(0, f"is {frame[:2].hex().upper()}, not the start 7B7B")
    if frame[-2:] != END:
        raise FrameError(len(frame) - 2, f"is {frame[-2:].hex().upper()}, not the end 7D7D")
    right = crc16(frame[2:-4]).to_bytes(2, "little")
    if frame[-4:-2] != right:
        raise FrameError(len(frame) - 4, f"CRC is {frame[-4:-2].hex().upper()}, right is {right.hex().upper()}")
    return Acrel4gFrame(frame[2], frame[3:-4])


def encode_time(now: datetime) -> bytes:
    """The payload that answers a question for the time.

    >>> encode_time(datetime(2026, 3, 1, 12, 30, 59)).hex()
    '1a0301000c1e3b'
    """
    return bytes([now.year % 100, now.month, now.day, now.isoweekday() % 7, now.hour, now.minute, now.second])


def serial_of(payload: bytes) -> str:
    """The serial number that a registration begins with.

    Raises:
        FrameError: The payload is no registration.
    """
    if len(payload) != REGISTER_SIZE:
        raise FrameError(3, f"a registration has {REGISTER_SIZE} bytes, not {len(payload)}")
    text = payload[:SERIAL_SIZE].rstrip(b"\x00 ").lstrip(b"\x00 ")
    if not text or not text.isascii() or not text.decode("ascii").isprintable():
        raise FrameError(3, "the serial number is no text")
    return text.decode("ascii")


class Acrel4gCutter:
    """Cuts a stream into valid frames; what is none is passed over."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._begun: dict[int, tuple[int, int]] = {}
        """By place of a beginning, up to where its CRC is known, and the CRC: else bytes that are all beginnings and
        ends would cost their number to the third."""

    def feed(self, chunk: bytes) -> list[Acrel4gFrame]:
        """Take bytes in; the valid frames that are whole now."""
        buffer = self._buffer
        buffer += chunk
        frames: list[Acrel4gFrame] = []
        place = 0
        while (place := buffer.find(START, place)) >= 0:
            end = self._end(place)
            if end:
                frames.append(decode_frame(bytes(buffer[place:end])))
                self._drop(end)
                place = 0
            else:
                place += 1
        # The first bytes of a frame that is not whole are among the last so many.
        self._drop(max(0, len(buffer) - _LONGEST))
        return frames

    def _end(self, place: int) -> int:
        """Where the frame that begins at a place ends; 0 if it is none, or not whole yet."""
        buffer = self._buffer
        if len(buffer) <= place + 2 or buffer[place + 2] not in _COMMANDS:
            return 0
        at, crc = self._begun.get(place, (place + 2, CRC_BEGIN))
        end = at + _CRC_SIZE + 1
        while (end := buffer.find(END, end, place + _LONGEST)) >= 0:
            crc, at = crc16(bytes(buffer[at : end - _CRC_SIZE]), crc), end - _CRC_SIZE
            if crc == int.from_bytes(buffer[at:end], "little"):
                return end + len(END)
            end += 1
        self._begun[place] = at, crc
        return 0

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._begun = {place - count: (at - count, crc) for place, (at, crc) in self._begun.items() if place >= count}


class Acrel4gEnvelope:
    """One connection of a 4G meter: Modbus RTU passed through, and what the meter itself wants answered.

    Attributes:
        serial: What the meter registered as; None before it did.
    """

    def __init__(self, local_time: Callable[[], bytes]) -> None:
        self.serial: str | None = None
        self._local_time = local_time
        self._cutter = Acrel4gCutter()

    def wrap(self, request: bytes) -> bytes:
        """A Modbus RTU request as the meter takes it."""
        return encode_frame(PASS_THROUGH, request)

    def take(self, chunk: bytes) -> tuple[bytes, bytes]:
        """What the meter sent: the RTU bytes passed through, and what is to be answered to it."""
        passed, reply = b"", b""
        for frame in self._cutter.feed(chunk):
            if frame.command == PASS_THROUGH:
                passed += frame.payload
            elif frame.command == TIME:
                reply += encode_frame(TIME, self._local_time())
            elif frame.command == UPLOAD:
                reply += encode_frame(UPLOAD)
            elif frame.command == REGISTER:
                reply += self._register(frame.payload)
        return passed, reply

    def _register(self, payload: bytes) -> bytes:
        try:
            self.serial = serial_of(payload)
        except FrameError:
            # It is not told that it is registered, so it tries again.
            return b""
        return encode_frame(REGISTER)
