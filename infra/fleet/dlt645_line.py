"""The serial line behind a dial-in gateway: DL/T645 meters that all hear every byte.

    FE..  68  A0..A5  68  C  L  DATA  CS  16     each data byte +33 on the line, CS the sum from the first 68

This is the meters' side of the frame. It is written apart from the head-end's codec on purpose: were they one,
a mistake in it would be made on both sides and seen on neither.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from infra.fleet.dlt645_meter import answer
from infra.fleet.fleet import Fleet
from infra.fleet.meter import Meter

_START = 0x68
_END = 0x16
_PREAMBLE = b"\xfe" * 4
_HEAD = 10
"""Bytes up to and with the length."""
_LONGEST_DATA = 200
_WILDCARD = 0xAA


@dataclass(frozen=True, slots=True)
class Request:
    """A frame that was heard; address as on the line, data without the +33."""

    address: bytes
    code: int
    data: bytes


class Dlt645Line:
    """Meters on one line: bytes in, requests out, answers back."""

    def __init__(self, fleet: Fleet, meters: Sequence[Meter]) -> None:
        self._fleet = fleet
        self._meters = {bytes.fromhex(meter.spec.address)[::-1]: meter for meter in meters}
        self._heard = bytearray()

    def clear(self) -> None:
        """Forget what was heard in part, as when a connection begins."""
        self._heard.clear()

    def feed(self, chunk: bytes) -> None:
        """Hear some bytes."""
        self._heard += chunk

    def next_request(self) -> Request | None:
        """Take the next whole frame out of what was heard; None if more bytes are needed.

        Bytes that begin no valid frame (preambles, noise, a wrong checksum) are passed over one by one, so that
        a damaged frame never swallows the good one behind it.
        """
        heard = self._heard
        while True:
            start = heard.find(_START)
            if start < 0:
                heard.clear()
                return None
            del heard[:start]
            if len(heard) < _HEAD:
                return None
            length = heard[9]
            size = _HEAD + length + 2
            if heard[7] == _START and length <= _LONGEST_DATA:
                if len(heard) < size:
                    return None
                if heard[size - 1] == _END and sum(heard[: size - 2]) % 256 == heard[size - 2]:
                    frame = bytes(heard[:size])
                    del heard[:size]
                    return Request(frame[1:7], frame[8], bytes((byte - 0x33) % 256 for byte in frame[10:-2]))
            del heard[0]

    def answer(self, request: Request) -> bytes | None:
        """Let the meter that is asked answer, at this moment, and do what it is told; None if none does.

        An address with wildcards is answered only where it fits one meter: several answers at once are noise.
        """
        fitting = [meter for address, meter in self._asked(request) if _fits(request.address, address)]
        if len(fitting) != 1:
            return None
        meter = fitting[0]
        found = answer(meter, self._fleet.now_ms(), code=request.code, data=request.data)
        if found is None:
            return None
        if found.control is not None:
            self._fleet.set_control(meter, found.control)
        return _PREAMBLE + _frame(bytes.fromhex(meter.spec.address)[::-1], found.code, found.data)

    def _asked(self, request: Request) -> Sequence[tuple[bytes, Meter]]:
        meter = self._meters.get(request.address)
        if meter is not None:
            return [(request.address, meter)]
        return list(self._meters.items()) if _WILDCARD in request.address else ()


def _fits(asked: bytes, address: bytes) -> bool:
    return all(byte in (own, _WILDCARD) for byte, own in zip(asked, address, strict=True))


def _frame(address: bytes, code: int, data: bytes) -> bytes:
    body = bytes([_START]) + address + bytes([_START, code, len(data)])
    body += bytes((byte + 0x33) % 256 for byte in data)
    return body + bytes([sum(body) % 256, _END])
