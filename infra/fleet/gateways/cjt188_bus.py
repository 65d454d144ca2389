"""A bus of CJ/T188 water meters."""

from collections import deque
from collections.abc import Iterable

from collectors.wire.cjt188 import Cjt188Cutter, decode_frame, encode_frame
from infra.fleet.cjt188_meter import METER_TYPE, answer
from infra.fleet.fleet import Fleet
from infra.fleet.gateways.bus import Places
from infra.fleet.meter import Meter

_PREAMBLE = b"\xfe" * 2


class Cjt188Bus:
    """See `Bus`."""

    def __init__(self, fleet: Fleet, meters: Iterable[Meter]) -> None:
        self._fleet = fleet
        self._places = Places(meters)
        self._cutter = Cjt188Cutter()
        self._requests: deque[bytes] = deque()

    def clear(self) -> None:
        """See `Bus.clear`."""
        self._cutter.clear()
        self._requests.clear()

    def feed(self, chunk: bytes) -> None:
        """See `Bus.feed`."""
        self._requests += self._cutter.feed(chunk)

    def next_request(self) -> bytes | None:
        """See `Bus.next_request`."""
        return self._requests.popleft() if self._requests else None

    def answer(self, request: bytes) -> bytes | None:
        """See `Bus.answer`."""
        asked = decode_frame(request)
        meter = self._places.at(int(asked.address)) if asked.address.isdecimal() else None
        if meter is None:
            return None
        found = answer(meter, self._fleet.now_ms(), asked)
        if found is None:
            return None
        if found.control is not None:
            self._fleet.set_control(meter, found.control)
        return _PREAMBLE + encode_frame(METER_TYPE, meter.spec.address, found.code, found.data)
