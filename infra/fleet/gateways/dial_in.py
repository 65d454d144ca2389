"""A gateway that dials in: it calls the collector, says who it is, and hands the bytes of its bus through."""

import asyncio
import contextlib
from dataclasses import dataclass

import structlog

from infra.fleet.gateways.wire import Wire

log = structlog.get_logger(__name__)

HEARTBEAT = b"SLUICE-HEARTBEAT"
"""A sign of life between frames; like the registration text it has no byte 68, which would begin a frame."""


@dataclass(frozen=True, slots=True)
class DialInTiming:
    """Real seconds.

    Attributes:
        heartbeat_s: Between two signs of life.
        retry_first_s: Before the second call, doubled for each further one.
        retry_longest_s: Between two calls at most.
    """

    heartbeat_s: float = 30.0
    retry_first_s: float = 0.2
    retry_longest_s: float = 5.0


class DialInGateway:
    """One gateway with its line of meters.

    Args:
        registration: The bytes with which it says who it is.
        heartbeat: Its sign of life.
    """

    def __init__(
        self,
        gateway: str,
        wire: Wire,
        *,
        registration: bytes,
        heartbeat: bytes = HEARTBEAT,
        host: str,
        port: int,
        timing: DialInTiming | None = None,
    ) -> None:
        self.gateway = gateway
        self._wire = wire
        self._registration = registration
        self._heartbeat = heartbeat
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
                log.debug("dial-in refused", gateway=self.gateway, error=str(error))
            else:
                pause_s = self._timing.retry_first_s
                log.info("dialled in", gateway=self.gateway)
                await self._serve(reader, writer)
                log.info("dial-in lost", gateway=self.gateway)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, self._timing.retry_longest_s)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        heartbeats = asyncio.create_task(self._send_heartbeats(writer))
        try:
            writer.write(self._registration)
            await writer.drain()
            await self._wire.hand_through(reader, writer)
        except ConnectionError as error:
            log.debug("dial-in broke", gateway=self.gateway, error=str(error))
        finally:
            heartbeats.cancel()
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _send_heartbeats(self, writer: asyncio.StreamWriter) -> None:
        while True:
            await asyncio.sleep(self._timing.heartbeat_s)
            writer.write(self._heartbeat)
