"""A bus of M-Bus water meters."""

from collections.abc import Iterable

from collectors.wire.mbus import FURTHER, REQUEST, encode_answer, encode_request
from infra.fleet.fleet import Fleet
from infra.fleet.gateways.bus import Places
from infra.fleet.meter import DISPLAY_STEP_WH, Meter

_SIZE = 5
_LONG_HEAD = 0x72
_MAKER, _VERSION, _WATER = b"\x24\x40", 1, 0x07
_HUNDREDTHS = b"\x0c\x14"
"""DIF and VIF of a volume: 8 digits of BCD, 0.01 m3."""


class MbusBus:
    """See `Bus`; primary address = the meter's address."""

    def __init__(self, fleet: Fleet, meters: Iterable[Meter]) -> None:
        self._fleet = fleet
        self._places = Places(meters)
        self._heard = bytearray()
        self._said: dict[str, tuple[int, bytes]] = {}
        """By meter, the C of the last request and its answer, which a request with the same C has repeated."""

    def clear(self) -> None:
        """See `Bus.clear`."""
        self._heard.clear()

    def feed(self, chunk: bytes) -> None:
        """See `Bus.feed`."""
        self._heard += chunk

    def next_request(self) -> bytes | None:
        """See `Bus.next_request`."""
        while len(self._heard) >= _SIZE:
            request = bytes(self._heard[:_SIZE])
            if request == encode_request(request[2], further=bool(request[1] & FURTHER)):
                del self._heard[:_SIZE]
                return request
            del self._heard[0]
        return None

    def answer(self, request: bytes) -> bytes | None:
        """See `Bus.answer`."""
        control, address = request[1], request[2]
        meter = self._places.at(address)
        if meter is None or control & ~FURTHER != REQUEST:
            return None
        last, answer = self._said.get(meter.spec.meter, (0, b""))
        if control != last:
            answer = encode_answer(address, _LONG_HEAD, self._told(meter))
            self._said[meter.spec.meter] = control, answer
        return answer

    def _told(self, meter: Meter) -> bytes:
        number = bytes.fromhex(f"{int(meter.spec.address):08d}")[::-1]
        counts = bytes.fromhex(f"{meter.shown_wh(self._fleet.now_ms()) // DISPLAY_STEP_WH:08d}")[::-1]
        return number + _MAKER + bytes([_VERSION, _WATER]) + bytes(4) + _HUNDREDTHS + counts
