"""A serial server that waits for a call: the collector connects, and its bus speaks whatever its meters speak."""

import asyncio

from collectors.gateways.line import LineAway
from collectors.gateways.serial_line import SerialLine


class PolledLine(SerialLine):
    """A connection that is opened when it is needed, and anew after it broke."""

    def __init__(self, host: str, port: int, *, timeout_s: float = 1.0) -> None:
        super().__init__(timeout_s=timeout_s)
        self._host, self._port = host, port
        self._reader: asyncio.StreamReader | None = None

    async def back(self) -> bool:
        """See `Line.back`."""
        return False

    async def _connection(self) -> asyncio.StreamWriter:
        if self._reader is not None and self._reader.at_eof():
            # The gateway hung up meanwhile; a command into that connection would be lost, but count as sent.
            self._let_go()
        if self._writer is None:
            try:
                async with asyncio.timeout(self._timeout_s):
                    self._reader, writer = await asyncio.open_connection(self._host, self._port)
            except (OSError, TimeoutError) as error:
                raise LineAway(f"{self._host}:{self._port} cannot be reached: {error}") from error
            await self.attach(self._reader, writer)
        assert self._writer is not None
        return self._writer
