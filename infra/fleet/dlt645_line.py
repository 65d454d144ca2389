"""The serial line behind a dial-in gateway: DL/T645 meters that all hear every byte."""

from collections import deque
from collections.abc import Iterable

from collectors.wire.dlt645 import Dlt645Cutter, Dlt645Frame, decode_frame, encode_frame
from collectors.wire.errors import FrameError
from infra.fleet.dlt645_meter import answer
from infra.fleet.fleet import Fleet
from infra.fleet.meter import Meter

_PREAMBLE = b"\xfe" * 4
"""What meters send to wake their line before an answer."""
_WILDCARD = "AA"


class Dlt645Line:
    """Meters on one line: bytes in, requests out, answers back."""

    def __init__(self, fleet: Fleet, meters: Iterable[Meter]) -> None:
        self._fleet = fleet
        self._meters = {meter.spec.address: meter for meter in meters}
        self._cutter = Dlt645Cutter()
        self._requests: deque[Dlt645Frame] = deque()

    def clear(self) -> None:
        """Forget what was heard, as when a connection begins."""
        self._cutter.clear()
        self._requests.clear()

    def feed(self, chunk: bytes) -> None:
        """Hear some bytes; what is no frame of DL/T645-2007 is passed over, as meters do."""
        for frame in self._cutter.feed(chunk):
            try:
                self._requests.append(decode_frame(frame))
            except FrameError:
                continue

    def next_request(self) -> Dlt645Frame | None:
        """Take the next whole frame out of what was heard; None if more bytes are needed."""
        return self._requests.popleft() if self._requests else None

    def answer(self, request: Dlt645Frame) -> bytes | None:
        """Let the meter that is asked answer, at this moment, and do what it is told; None if none does.

        An address with wildcards is answered only where it fits one meter: several answers at once are noise.
        """
        meter = self._asked(request.address)
        if meter is None:
            return None
        found = answer(meter, self._fleet.now_ms(), code=request.control, data=request.data)
        if found is None:
            return None
        if found.control is not None:
            self._fleet.set_control(meter, found.control)
        return _PREAMBLE + encode_frame(meter.spec.address, found.code, found.data)

    def _asked(self, asked: str) -> Meter | None:
        if _WILDCARD not in asked:
            return self._meters.get(asked)
        fitting = [meter for address, meter in self._meters.items() if _fits(asked, address)]
        return fitting[0] if len(fitting) == 1 else None


def _fits(asked: str, address: str) -> bool:
    pairs = range(0, len(address), 2)
    return all(asked[pair : pair + 2] in (_WILDCARD, address[pair : pair + 2]) for pair in pairs)
