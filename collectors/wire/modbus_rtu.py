"""Modbus RTU frames, on a serial line and the same bytes in a TCP stream.

    unit | function | data | CRC (low byte first)

CRC is CRC-16/Modbus (polynomial A001, begun with FFFF) over all before it.
"""

from dataclasses import dataclass

from collectors.wire import modbus
from collectors.wire.errors import FrameError

SHORTEST = 5
CRC_BEGIN = 0xFFFF
_POLYNOMIAL = 0xA001
_ERROR = 0x80


def _steps(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
    return byte


CRC_TABLE = tuple(map(_steps, range(256)))
"""What each low byte of the running CRC turns into."""


@dataclass(frozen=True, slots=True)
class RtuFrame:
    """A frame taken apart; `data` is what follows the function."""

    unit: int
    function: int
    data: bytes

    @property
    def exception(self) -> int | None:
        """The exception code of an abnormal answer, else None."""
        return self.data[0] if self.function & _ERROR else None


def crc16(data: bytes, crc: int = CRC_BEGIN) -> int:
    """CRC-16/Modbus; of what follows bytes of which `crc` is the one.

    >>> f"{crc16(bytes.fromhex('010330010006')):04X}"
    '089B'
    """
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc


def encode_frame(unit: int, function: int, data: bytes) -> bytes:
    """A frame with its CRC."""
    body = bytes([unit, function]) + data
    return body + crc16(body).to_bytes(2, "little")


def encode_read(unit: int, *, start: int, words: int, function: int = modbus.READ_HOLDING) -> bytes:
    """A request to read registers."""
    return encode_frame(unit, function, modbus.read_body(start=start, words=words))


def encode_write(unit: int, *, start: int, values: tuple[int, ...]) -> bytes:
    """A request to write holding registers."""
    return encode_frame(unit, modbus.WRITE_MULTIPLE, modbus.write_body(start=start, values=values))


def encode_read_answer(unit: int, words: tuple[int, ...], *, function: int = modbus.READ_HOLDING) -> bytes:
    """The answer to a read."""
    return encode_frame(unit, function, modbus.answer_body(words))


def answer_size(words: int) -> int:
    """The bytes of the answer to a read of so many words."""
    return SHORTEST + 2 * words


def read_words(frame: RtuFrame, function: int = modbus.READ_HOLDING) -> tuple[int, ...]:
    """The words of an answer to a read.

    Raises:
        FrameError: It is an exception, another function, or its byte count is wrong.
    """
    return modbus.words_of(frame.function, frame.data, asked=function, at=1)


def decode_frame(frame: bytes) -> RtuFrame:
    """Take one whole frame apart.

    Raises:
        FrameError: It is too short, or its CRC is wrong.
    """
    if len(frame) < SHORTEST:
        raise FrameError(len(frame), f"is cut short: a frame has at least {SHORTEST} bytes")
    right = crc16(frame[:-2]).to_bytes(2, "little")
    if frame[-2:] != right:
        raise FrameError(len(frame) - 2, f"CRC is {frame[-2:].hex().upper()}, right is {right.hex().upper()}")
    return RtuFrame(frame[0], frame[1], frame[2:-2])


class RtuCutter:
    """Cuts a stream of answers into frames by function, byte count and CRC; other bytes are passed over.

    Attributes:
        damaged: Empty: without its CRC nothing tells a damaged frame from junk.
    """

    def __init__(self) -> None:
        self.damaged: list[bytes] = []
        self._buffer = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take bytes in; the valid answers that are whole now."""
        buffer = self._buffer
        buffer += chunk
        frames: list[bytes] = []
        place = 0
        while len(buffer) - place >= SHORTEST:
            size = _answer_size(buffer, place)
            frame = bytes(buffer[place : place + size])
            if size and len(frame) == size and crc16(frame[:-2]) == int.from_bytes(frame[-2:], "little"):
                frames.append(frame)
                del buffer[: place + size]
                place = 0
            else:
                place += 1
        del buffer[: max(0, len(buffer) - 260)]
        return frames


def _answer_size(buffer: bytearray, place: int) -> int:
    """The bytes of the answer that may begin at a place; 0 if none can."""
    function = buffer[place + 1]
    if function & _ERROR:
        return 5
    if function in (0x01, 0x02, 0x03, 0x04):
        return 5 + buffer[place + 2]
    return 8 if function in (0x05, 0x06, 0x0F, 0x10) else 0
