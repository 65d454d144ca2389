"""The far end of serial lines, as tests need it: a bus whose meters answer bytes with bytes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field

from collectors.wire import cjt188, modbus_rtu
from collectors.wire.cjt188 import ANSWER, READ, READING, VALVE, WRITE, Cjt188Cutter, Cjt188Frame
from collectors.wire.modbus import READ_HOLDING, WRITE_MULTIPLE
from collectors.wire.modbus_rtu import RtuFrame
from infra.ports import HOST
from tests.integration.collector_lines import CONTROL_WORD

Hear = Callable[[bytes], Iterable[bytes]]
"""Bytes as they come in; what is written in answer, each piece by itself."""


@dataclass
class WaterMeter:
    """A CJ/T188 meter with a valve; `counts` are 0.01 m3."""

    address: str
    counts: int
    answer_type: int = 0x10
    is_closed: bool = False
    is_battery_low: bool = False
    valve_orders: list[int] = field(default_factory=list)

    def answer(self, request: Cjt188Frame) -> bytes | None:
        """What it answers; it does what it is told first."""
        if request.address != self.address:
            return None
        if request.di == VALVE and request.control == WRITE:
            self.valve_orders.append(request.body[0])
            # The valve has yet to move: the status in the answer is the old one.
            body = self._status()
            self.is_closed = request.body[0] == cjt188.VALVE_CLOSE
        elif request.di == READING and request.control == READ:
            digits = bytes.fromhex(f"{self.counts:08d}")[::-1]
            body = digits + b"\x2c" + bytes(4) + b"\x2c" + bytes(7) + self._status()
        else:
            return None
        return cjt188.encode_frame(self.answer_type, self.address, request.control | ANSWER, request.data[:3] + body)

    def _status(self) -> bytes:
        return bytes([0x20 | self.is_closed | self.is_battery_low << 2, 0x84])


class WaterBus:
    """CJ/T188 meters on one bus."""

    def __init__(self, *meters: WaterMeter) -> None:
        self.meters = meters
        self.heard: list[Cjt188Frame] = []
        self._cutter = Cjt188Cutter()

    def hear(self, chunk: bytes) -> list[bytes]:
        requests = [cjt188.decode_frame(frame) for frame in self._cutter.feed(chunk)]
        self.heard += requests
        return [answer for request in requests for meter in self.meters if (answer := meter.answer(request))]


@dataclass
class RtuMeter:
    """An Acrel meter by Modbus RTU; `counts` are 0.01 kWh."""

    unit: int
    counts: int
    control: list[int] = field(default_factory=lambda: [0, 0])

    def answer(self, request: RtuFrame) -> bytes:
        """What it answers; it does what it is told first."""
        start, count = int.from_bytes(request.data[:2], "big"), int.from_bytes(request.data[2:4], "big")
        if request.function == WRITE_MULTIPLE:
            self.control = [int.from_bytes(request.data[place : place + 2], "big") for place in (5, 7)]
            return modbus_rtu.encode_frame(self.unit, WRITE_MULTIPLE, request.data[:4])
        assert request.function == READ_HOLDING
        words = {0: self.counts >> 16, 1: self.counts & 0xFFFF} | dict(enumerate(self.control, CONTROL_WORD))
        return modbus_rtu.encode_read_answer(self.unit, tuple(words.get(start + place, 0) for place in range(count)))


class RtuBus:
    """Modbus RTU meters on one bus; each request comes in one piece."""

    def __init__(self, *meters: RtuMeter) -> None:
        self.meters = {meter.unit: meter for meter in meters}
        self.heard: list[RtuFrame] = []

    def hear(self, chunk: bytes) -> list[bytes]:
        request = modbus_rtu.decode_frame(chunk)
        self.heard.append(request)
        return [self.meters[request.unit].answer(request)] if request.unit in self.meters else []

    def writes(self) -> list[bytes]:
        """The values of all writes that were heard."""
        return [request.data[5:] for request in self.heard if request.function == WRITE_MULTIPLE]


async def _converse(hear: Hear, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.closing(writer), contextlib.suppress(ConnectionError):
        while chunk := await reader.read(4096):
            for piece in hear(chunk):
                writer.write(piece)
                await writer.drain()
                # The other end is in the same loop: it has read this piece before the next is written.
                for _ in range(5):
                    await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def serving(hear: Hear) -> AsyncIterator[int]:
    """A serial server that waits for a call; its port."""
    server = await asyncio.start_server(lambda reader, writer: _converse(hear, reader, writer), HOST, 0)
    async with server:
        yield int(server.sockets[0].getsockname()[1])


@contextlib.asynccontextmanager
async def calling(port: int, hear: Hear, *first: bytes) -> AsyncIterator[asyncio.StreamWriter]:
    """A gateway that calls, says who it is, and hands its bus through."""
    reader, writer = await asyncio.open_connection(HOST, port)
    for piece in first:
        writer.write(piece)
        await writer.drain()
    task = asyncio.create_task(_converse(hear, reader, writer))
    try:
        yield writer
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
