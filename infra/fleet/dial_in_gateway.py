"""A dial-in gateway: it calls the collector, says who it is, and hands DL/T645 frames through to its meters."""

import asyncio
import contextlib
from dataclasses import dataclass

import structlog

from infra.fleet.dlt645_line import Dlt645Line
from infra.fleet.fleet import Fleet
from infra.fleet.property import GatewayPlan

log = structlog.get_logger(__name__)

HEARTBEAT = b"SLUICE-HEARTBEAT"
"""A sign of life between frames; like the registration text it has no byte 68, which would begin a frame."""
_CHUNK = 4096


@dataclass(frozen=True, slots=True)
class DialInTiming:
    """Real seconds.

    Attributes:
        answer_delay_s: What a meter takes to answer; a real one takes 0.02 to 0.5.
        heartbeat_s: Between two signs of life.
        retry_first_s: Before the second call, doubled for each further one.
        retry_longest_s: Between two calls at most.
    """

    answer_delay_s: float = 0.005
    heartbeat_s: float = 30.0
    retry_first_s: float = 0.2
    retry_longest_s: float = 5.0


class DialInGateway:
    """One gateway with its line of meters."""

    def __init__(
        self, plan: GatewayPlan, fleet: Fleet, *, host: str, port: int, timing: DialInTiming | None = None
    ) -> None:
        self.plan = plan
        self._line = Dlt645Line(fleet, [fleet.meters[spec.meter] for spec in plan.meters])
        self._host = host
        self._port = port
        self._timing = timing or DialInTiming()

    async def run(self) -> None:
        """Call the collector, serve it, and call again when the connection is lost; until cancelled."""
        pause_s = self._timing.retry_first_s
        while True:
            try:
                reader, writer = await asyncio.open_connection(self._host, self._port)
            except OSError as error:
                log.debug("dial-in refused", gateway=self.plan.gateway, error=str(error))
            else:
                pause_s = self._timing.retry_first_s
                log.info("dialled in", gateway=self.plan.gateway)
                await self._serve(reader, writer)
                log.info("dial-in lost", gateway=self.plan.gateway)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, self._timing.retry_longest_s)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        heartbeats = asyncio.create_task(self._send_heartbeats(writer))
        try:
            writer.write(self.plan.registration.encode("ascii"))
            await writer.drain()
            await self._hand_through(reader, writer)
        except ConnectionError as error:
            log.debug("dial-in broke", gateway=self.plan.gateway, error=str(error))
        finally:
            heartbeats.cancel()
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _hand_through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer frame by frame, one at a time: behind the gateway is one serial line."""
        self._line.clear()
        while chunk := await reader.read(_CHUNK):
            self._line.feed(chunk)
            while (request := self._line.next_request()) is not None:
                await asyncio.sleep(self._timing.answer_delay_s)
                answer = self._line.answer(request)
                if answer is not None:
                    writer.write(answer)
                    await writer.drain()

    async def _send_heartbeats(self, writer: asyncio.StreamWriter) -> None:
        while True:
            await asyncio.sleep(self._timing.heartbeat_s)
            writer.write(HEARTBEAT)
