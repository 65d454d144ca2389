"""A polled Modbus TCP gateway.

The transport is our own, thirty lines, because answers are kept verbatim, envelope and all; pymodbus's client hands out
decoded registers only. The other side of the wire is pymodbus in the virtual fleet and in tests.
"""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import datetime

from collectors.gateways.line import (
    Action,
    Item,
    LineAway,
    LineError,
    NoAnswer,
    Refused,
    Withdrawn,
    item_of,
    no_clock,
    notice_death,
    relay_of,
)
from collectors.registry import MeterOnLine
from collectors.wire import modbus
from collectors.wire.errors import FrameError
from collectors.wire.modbus import ModbusCutter, ModbusException

_CHUNK = 4096
_SILENT = (ModbusException.GATEWAY_PATH, ModbusException.NO_ANSWER)


class ModbusLine:
    """A connection that is opened when it is needed, and anew after it broke."""

    def __init__(self, host: str, port: int, *, timeout_s: float = 1.0) -> None:
        self._host, self._port = host, port
        self._timeout_s = timeout_s
        self._transaction = 0
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._cutter = ModbusCutter()
        self._turn = asyncio.Lock()

    async def ask(self, meter: MeterOnLine, item: Item) -> bytes:
        """See `Line.ask`."""
        asked = item_of(meter, item)
        function = asked.function
        async with self._turn:
            number = self._next()
            request = modbus.encode_read(number, meter.address, start=asked.start, words=asked.words, function=function)
            return await self._exchange(request, number, meter.address, function)

    async def command(
        self, meter: MeterOnLine, action: Action, *, deadline: datetime, claim: Callable[[], bool]
    ) -> bytes:
        """See `Line.command`; Modbus knows no deadline."""
        relay = relay_of(meter)
        values = relay.off if action is Action.CUT else relay.on
        async with self._turn:
            number = self._next()
            request = modbus.encode_write(number, meter.address, start=relay.start, values=values)
            return await self._exchange(request, number, meter.address, modbus.WRITE_MULTIPLE, claim)

    async def ask_clock(self, meter: MeterOnLine) -> tuple[bytes, ...]:
        """See `Line.ask_clock`: where Modbus meters have their clocks is not public."""
        raise no_clock(meter)

    async def set_clock(
        self, meter: MeterOnLine, now: Callable[[], datetime], *, claim: Callable[[], bool] | None = None
    ) -> bytes:
        """See `Line.set_clock`."""
        raise no_clock(meter)

    async def back(self) -> bool:
        """See `Line.back`."""
        return False

    async def close(self) -> None:
        """See `Line.close`."""
        if self._streams is not None:
            _, writer = self._streams
            self._streams = None
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _next(self) -> int:
        self._transaction = (self._transaction + 1) & 0xFFFF
        return self._transaction

    async def _exchange(
        self, request: bytes, number: int, unit: int, function: int, claim: Callable[[], bool] | None = None
    ) -> bytes:
        reader, writer = await self._connected()
        if claim is not None and not claim():
            raise Withdrawn("given up before it was sent")
        limit = asyncio.timeout(self._timeout_s)
        try:
            async with limit:
                writer.write(request)
                await writer.drain()
                frame = await self._answer(reader, number, unit, function)
        except (OSError, FrameError) as error:
            # The kernel ends a dead connection with a TimeoutError too; that one needs a new connection.
            if isinstance(error, TimeoutError) and limit.expired():
                # What comes later carries the old transaction and is dropped.
                raise NoAnswer(f"unit {unit} did not answer in {self._timeout_s} s") from None
            await self.close()
            raise LineError(f"connection lost: {error}") from error
        return frame

    async def _answer(self, reader: asyncio.StreamReader, number: int, unit: int, function: int) -> bytes:
        """The answer to a transaction; answers to earlier ones are dropped."""
        while True:
            chunk = await reader.read(_CHUNK)
            if not chunk:
                raise ConnectionResetError("the gateway hung up")
            for frame in self._cutter.feed(chunk):
                taken = modbus.decode_frame(frame)
                if (taken.transaction, taken.unit, taken.function & 0x7F) != (number, unit, function):
                    continue
                if taken.exception in _SILENT:
                    raise NoAnswer(f"the gateway has no answer of unit {unit}")
                if taken.exception is not None:
                    raise Refused(f"unit {unit} answers exception {taken.exception:02X}")
                return frame

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is not None and self._streams[0].at_eof():
            # The gateway hung up meanwhile; a command into that connection would be lost, but count as sent.
            await self.close()
        if self._streams is None:
            try:
                async with asyncio.timeout(self._timeout_s):
                    self._streams = await asyncio.open_connection(self._host, self._port)
            except (OSError, TimeoutError) as error:
                raise LineAway(f"{self._host}:{self._port} cannot be reached: {error}") from error
            notice_death(self._streams[1])
            self._cutter = ModbusCutter()
        return self._streams
