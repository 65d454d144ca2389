"""A bus of Acrel meters by Modbus RTU."""

from collections import deque
from collections.abc import Iterable

from pymodbus.constants import ExcCodes

from collectors.wire import modbus_rtu
from collectors.wire.errors import FrameError
from collectors.wire.modbus import READ_HOLDING, WRITE_MULTIPLE
from infra.fleet.acrel import CONTROL_WORD, CONTROL_WORDS, WORD_COUNT, ControlValueError, control_after, words
from infra.fleet.fleet import Fleet
from infra.fleet.gateways.bus import Places
from infra.fleet.meter import Meter

_READ_SIZE = 8
_WRITE_HEAD = 9
"""Bytes of a write besides its values."""
_LONGEST = 256
_REFUSED = 0x80


class RtuBus:
    """See `Bus`; unit = the meter's address."""

    def __init__(self, fleet: Fleet, meters: Iterable[Meter]) -> None:
        self._fleet = fleet
        self._places = Places(meters)
        self._heard = bytearray()
        self._requests: deque[bytes] = deque()

    def clear(self) -> None:
        """See `Bus.clear`."""
        self._heard.clear()
        self._requests.clear()

    def feed(self, chunk: bytes) -> None:
        """See `Bus.feed`."""
        heard = self._heard
        heard += chunk
        place = 0
        while place < len(heard):
            request = _request_at(heard, place)
            if request is None:
                place += 1
                continue
            self._requests.append(request)
            del heard[: place + len(request)]
            place = 0
        del heard[: max(0, len(heard) - _LONGEST)]

    def next_request(self) -> bytes | None:
        """See `Bus.next_request`."""
        return self._requests.popleft() if self._requests else None

    def answer(self, request: bytes) -> bytes | None:
        """See `Bus.answer`."""
        asked = modbus_rtu.decode_frame(request)
        meter = self._places.at(asked.unit)
        if meter is None:
            return None
        first, count = int.from_bytes(asked.data[:2], "big"), int.from_bytes(asked.data[2:4], "big")
        if asked.function == READ_HOLDING:
            if not 0 < count <= WORD_COUNT - first:
                return _refusal(asked, ExcCodes.ILLEGAL_ADDRESS)
            found = words(meter, self._fleet.now_ms(), first=first, count=count)
            return modbus_rtu.encode_read_answer(asked.unit, tuple(found))
        return self._written(meter, asked, first, count)

    def _written(self, meter: Meter, asked: modbus_rtu.RtuFrame, first: int, count: int) -> bytes:
        if not CONTROL_WORD <= first < first + count <= CONTROL_WORD + CONTROL_WORDS:
            return _refusal(asked, ExcCodes.ILLEGAL_ADDRESS)
        values = [int.from_bytes(asked.data[5 + 2 * word : 7 + 2 * word], "big") for word in range(count)]
        try:
            control = control_after(meter.control, first=first, values=values)
        except ControlValueError:
            return _refusal(asked, ExcCodes.ILLEGAL_VALUE)
        self._fleet.set_control(meter, control)
        return modbus_rtu.encode_frame(asked.unit, WRITE_MULTIPLE, asked.data[:4])


def _request_at(heard: bytearray, place: int) -> bytes | None:
    """The whole request that begins at a place; None if none does, or not yet."""
    left = len(heard) - place
    if left < _READ_SIZE:
        return None
    if heard[place + 1] == READ_HOLDING:
        size = _READ_SIZE
    elif heard[place + 1] == WRITE_MULTIPLE:
        size = _WRITE_HEAD + heard[place + 6]
    else:
        return None
    request = bytes(heard[place : place + size])
    try:
        asked = modbus_rtu.decode_frame(request)
    except FrameError:
        return None
    count = int.from_bytes(asked.data[2:4], "big")
    return request if size == _READ_SIZE or len(asked.data) == 5 + 2 * count else None


def _refusal(asked: modbus_rtu.RtuFrame, why: ExcCodes) -> bytes:
    return modbus_rtu.encode_frame(asked.unit, asked.function | _REFUSED, bytes([why]))
