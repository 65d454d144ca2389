"""A bus of DL/T645-2007 meters."""

from collections import deque
from collections.abc import Iterable

from collectors.wire.dlt645 import BROADCAST_TIME, Dlt645Cutter, decode_frame, encode_frame
from collectors.wire.errors import FrameError
from infra.fleet.dlt645_meter import answer, hear_time
from infra.fleet.fleet import Fleet
from infra.fleet.gateways.bus import Places
from infra.fleet.meter import Meter

_PREAMBLE = b"\xfe" * 4
"""What meters send to wake their line before an answer."""
_WILDCARD = "AA"


class Dlt645Bus:
    """See `Bus`."""

    def __init__(self, fleet: Fleet, meters: Iterable[Meter]) -> None:
        self._fleet = fleet
        self._places = Places(meters)
        self._cutter = Dlt645Cutter()
        self._requests: deque[bytes] = deque()

    def clear(self) -> None:
        """See `Bus.clear`."""
        self._cutter.clear()
        self._requests.clear()

    def feed(self, chunk: bytes) -> None:
        """See `Bus.feed`; frames of DL/T645-1997 are none."""
        self._requests += filter(_is_frame, self._cutter.feed(chunk))

    def next_request(self) -> bytes | None:
        """See `Bus.next_request`."""
        return self._requests.popleft() if self._requests else None

    def answer(self, request: bytes) -> bytes | None:
        """See `Bus.answer`.

        An address with wildcards is answered only where it fits one meter: several answers at once are noise.
        """
        asked = decode_frame(request)
        if asked.control == BROADCAST_TIME:
            for each in self._places.all().values():
                hear_time(each, self._fleet.now_ms(), asked.data)
            return None
        meter = self._asked(asked.address)
        if meter is None:
            return None
        found = answer(meter, self._fleet.now_ms(), code=asked.control, data=asked.data)
        if found is None:
            return None
        if found.control is not None:
            self._fleet.set_control(meter, found.control)
        return _PREAMBLE + encode_frame(meter.spec.address, found.code, found.data)

    def _asked(self, asked: str) -> Meter | None:
        if _WILDCARD not in asked:
            return self._places.at(int(asked)) if asked.isdecimal() else None
        fitting = [meter for address, meter in self._places.all().items() if _fits(asked, address)]
        return fitting[0] if len(fitting) == 1 else None


def _is_frame(frame: bytes) -> bool:
    try:
        decode_frame(frame)
    except FrameError:
        return False
    return True


def _fits(asked: str, address: str) -> bool:
    pairs = range(0, len(address), 2)
    return all(asked[pair : pair + 2] in (_WILDCARD, address[pair : pair + 2]) for pair in pairs)
