"""Modbus RTU frames, on a serial line and the same bytes in a TCP stream.

    unit | function | data | CRC (low byte first)

CRC is CRC-16/Modbus (polynomial A001, begun with FFFF) over all before it.
"""

from dataclasses import dataclass

from collectors.wire.errors import FrameError

SHORTEST = 5
_POLYNOMIAL, _BEGIN = 0xA001, 0xFFFF
_ERROR = 0x80


@dataclass(frozen=True, slots=True)
class RtuFrame:
    """A frame taken apart; `data` is what follows the function."""

    unit: int
    function: int
    data: bytes


def crc16(data: bytes) -> int:
    """CRC-16/Modbus.

    >>> f"{crc16(bytes.fromhex('010330010006')):04X}"
    '089B'
    """
    crc = _BEGIN
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
    return crc


def encode_frame(unit: int, function: int, data: bytes) -> bytes:
    """A frame with its CRC."""
    body = bytes([unit, function]) + data
    return body + crc16(body).to_bytes(2, "little")


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
    """Cuts a stream of answers into frames by function, byte count and CRC; other bytes are passed over."""

    def __init__(self) -> None:
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
