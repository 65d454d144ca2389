"""Modbus TCP frames, both directions.

    transaction 2 | protocol 0000 | length 2 | unit 1 | function 1 | data

All numbers big-endian; `length` counts from the unit on. A read (03 holding registers, 04 input registers) is asked
with start and count of words and answered with a byte count and the words; a write (10) is answered with start and
count. An exception answers the function + 80H and one byte.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

from collectors.wire.errors import FrameError

READ_HOLDING = 0x03
READ_INPUT = 0x04
WRITE_MULTIPLE = 0x10
WORDS_MAX = 125
_MBAP = struct.Struct(">HHHB")
_ERROR = 0x80
_LENGTH_MAX = 254


class ModbusException(IntEnum):
    """Why a request was not carried out; 0A and 0B are the gateway's word on the meter behind it."""

    FUNCTION = 0x01
    ADDRESS = 0x02
    VALUE = 0x03
    FAILURE = 0x04
    ACKNOWLEDGE = 0x05
    BUSY = 0x06
    GATEWAY_PATH = 0x0A
    NO_ANSWER = 0x0B


@dataclass(frozen=True, slots=True)
class ModbusFrame:
    """A frame taken apart; `data` is what follows the function."""

    transaction: int
    unit: int
    function: int
    data: bytes

    @property
    def exception(self) -> int | None:
        """The exception code of an abnormal answer, else None."""
        return self.data[0] if self.function & _ERROR else None


def read_body(*, start: int, words: int) -> bytes:
    """What follows the function in a request to read."""
    return struct.pack(">HH", start, words)


def write_body(*, start: int, values: tuple[int, ...]) -> bytes:
    """What follows the function in a request to write several words."""
    return struct.pack(f">HHB{len(values)}H", start, len(values), 2 * len(values), *values)


def answer_body(words: tuple[int, ...]) -> bytes:
    """What follows the function in the answer to a read."""
    return struct.pack(f">B{len(words)}H", 2 * len(words), *words)


def encode_read(transaction: int, unit: int, *, start: int, words: int, function: int = READ_HOLDING) -> bytes:
    """A request to read registers."""
    return _frame(transaction, unit, function, read_body(start=start, words=words))


def encode_write(transaction: int, unit: int, *, start: int, values: tuple[int, ...]) -> bytes:
    """A request to write holding registers."""
    return _frame(transaction, unit, WRITE_MULTIPLE, write_body(start=start, values=values))


def encode_read_answer(transaction: int, unit: int, words: tuple[int, ...], *, function: int = READ_HOLDING) -> bytes:
    """The answer to a read."""
    return _frame(transaction, unit, function, answer_body(words))


def decode_frame(frame: bytes) -> ModbusFrame:
    """Take one whole frame apart.

    Raises:
        FrameError: It is too short, its length is another, or it is no Modbus.
    """
    if len(frame) < _MBAP.size + 1:
        raise FrameError(len(frame), "is cut short: a frame has at least 8 bytes")
    transaction, protocol, length, unit = _MBAP.unpack_from(frame)
    if protocol:
        raise FrameError(2, f"protocol {protocol:04X} is not Modbus")
    if length != len(frame) - 6:
        raise FrameError(4, f"length says {length} bytes, {len(frame) - 6} follow")
    function, data = frame[7], frame[8:]
    if function & _ERROR and len(data) != 1:
        raise FrameError(8, "an exception has one byte")
    return ModbusFrame(transaction, unit, function, data)


def read_words(frame: ModbusFrame, function: int = READ_HOLDING) -> tuple[int, ...]:
    """The words of an answer to a read.

    Raises:
        FrameError: It is an exception, another function, or its byte count is wrong.
    """
    return words_of(frame.function, frame.data, asked=function, at=7)


def words_of(function: int, data: bytes, *, asked: int, at: int) -> tuple[int, ...]:
    """The words of an answer to a read, in whatever envelope.

    Args:
        data: What follows the function.
        asked: The function of the request.
        at: Where the function is in the frame, for the error.
    Raises:
        FrameError: It is an exception, another function, or its byte count is wrong.
    """
    if function & _ERROR:
        raise FrameError(at + 1, f"exception {data[0]:02X}" if data else "an exception has one byte")
    if function != asked:
        raise FrameError(at, f"function {function:02X} is not the read {asked:02X}")
    if not data or data[0] != len(data) - 1 or data[0] % 2:
        raise FrameError(at + 1, "the byte count does not fit the words")
    return struct.unpack(f">{data[0] // 2}H", data[1:])


class ModbusCutter:
    """Cuts a stream into frames by their length; what is no Modbus ends the stream."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take bytes in; the frames that are whole now.

        Raises:
            FrameError: The stream is no Modbus TCP: there is no way back to a frame's beginning.
        """
        self._buffer += chunk
        frames = []
        while len(self._buffer) >= _MBAP.size:
            _, protocol, length, _ = _MBAP.unpack_from(self._buffer)
            if protocol or not 2 <= length <= _LENGTH_MAX:
                raise FrameError(2, "the stream is no Modbus TCP")
            if len(self._buffer) < 6 + length:
                break
            frames.append(bytes(self._buffer[: 6 + length]))
            del self._buffer[: 6 + length]
        return frames


def _frame(transaction: int, unit: int, function: int, body: bytes) -> bytes:
    return _MBAP.pack(transaction, 0, 2 + len(body), unit) + bytes([function]) + body
