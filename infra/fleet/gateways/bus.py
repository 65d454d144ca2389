"""The serial bus behind a gateway: meters that all hear every byte, and of which one answers."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from infra.fleet.meter import Meter


class Bus(Protocol):
    """Meters on one line: bytes in, requests out, answers back."""

    def clear(self) -> None:
        """Forget what was heard, as when a connection begins."""
        ...

    def feed(self, chunk: bytes) -> None:
        """Hear some bytes; what is no request of the protocol is passed over, as meters do."""
        ...

    def next_request(self) -> bytes | None:
        """Take the next whole request out of what was heard; None if more bytes are needed."""
        ...

    def answer(self, request: bytes) -> bytes | None:
        """Let the meter that is asked answer, at this moment, and do what it is told; None if none does."""
        ...


class Places:
    """Who hangs where on a bus: of several meters that have one address in turn, the one that is there now."""

    def __init__(self, meters: Iterable[Meter]) -> None:
        self._meters: dict[int, list[Meter]] = {}
        for meter in meters:
            self._meters.setdefault(int(meter.spec.address), []).append(meter)

    def at(self, address: int) -> Meter | None:
        """The meter at an address; None if none is there."""
        return next((meter for meter in self._meters.get(address, ()) if not meter.control.is_away), None)

    def all(self) -> Mapping[str, Meter]:
        """By address, as its digits, the meters that are there."""
        return {
            meter.spec.address: meter
            for meters in self._meters.values()
            for meter in meters
            if not meter.control.is_away
        }
