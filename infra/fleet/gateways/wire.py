"""One connection between a gateway and the collector: requests in, answers out, with the faults of the line."""

import asyncio
from typing import Protocol

from infra.fleet.gateways.bus import Bus
from infra.fleet.gateways.line_faults import LineFaults

_CHUNK = 4096
ANSWER_DELAY_S = 0.005
"""What a meter takes to answer, real; a real one takes 0.02 to 0.5."""


class Envelope(Protocol):
    """What a gateway puts around the bytes of its bus."""

    def take(self, chunk: bytes) -> tuple[bytes, bytes]:
        """What the collector sent: the bytes for the bus in it, and what is to be answered by the gateway itself."""
        ...

    def wrap(self, answer: bytes) -> bytes:
        """An answer as the collector takes it."""
        ...


class Bare:
    """No envelope: the connection carries the bytes of the bus and nothing else."""

    def take(self, chunk: bytes) -> tuple[bytes, bytes]:
        """See `Envelope.take`."""
        return chunk, b""

    def wrap(self, answer: bytes) -> bytes:
        """See `Envelope.wrap`."""
        return answer


class Wire:
    """Hands a bus through, one request at a time: behind a gateway is one serial line."""

    def __init__(
        self,
        bus: Bus,
        faults: LineFaults,
        *,
        envelope: Envelope | None = None,
        answer_delay_s: float = ANSWER_DELAY_S,
    ) -> None:
        self._bus = bus
        self._faults = faults
        self._envelope = envelope or Bare()
        self._answer_delay_s = answer_delay_s

    async def hand_through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection to its end, or until the gateway restarts."""
        self._bus.clear()
        self._faults.forget()
        while chunk := await reader.read(_CHUNK):
            heard, reply = self._envelope.take(chunk)
            writer.write(reply)
            self._bus.feed(heard)
            while (request := self._bus.next_request()) is not None:
                await asyncio.sleep(self._answer_delay_s)
                answer = self._bus.answer(request)
                if answer is None:
                    continue
                sent = self._faults.send(self._envelope.wrap(answer))
                writer.write(b"".join(sent.pieces))
                await writer.drain()
                if sent.restarts:
                    return
