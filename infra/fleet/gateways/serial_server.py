"""A serial server: it waits for the collector's call and hands the bytes of its bus through."""

import asyncio
import contextlib

from infra.fleet.errors import FleetError
from infra.fleet.gateways.wire import Wire


class SerialServer:
    """One gateway with its line of meters, on a port; it serves one connection after the other."""

    def __init__(self, gateway: str, wire: Wire, *, host: str, port: int) -> None:
        self.gateway = gateway
        self._wire = wire
        self._host, self._port = host, port
        self._server: asyncio.Server | None = None
        self._serving: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._line = asyncio.Lock()

    async def start(self) -> None:
        """Listen.

        Raises:
            FleetError: The port cannot be had.
        """
        try:
            self._server = await asyncio.start_server(self._serve, self._host, self._port)
        except OSError as error:
            raise FleetError(f"gateway {self.gateway}: port {self._port} cannot be had") from error

    async def stop(self) -> None:
        """Stop listening, and hang up."""
        if self._server is not None:
            self._server.close()
        for writer in self._serving.values():
            writer.close()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving[task] = writer
        try:
            async with self._line:
                with contextlib.closing(writer), contextlib.suppress(ConnectionError):
                    await self._wire.hand_through(reader, writer)
        finally:
            del self._serving[task]
