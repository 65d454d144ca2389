"""The far end of the collectors' lines, as tests need it: meters, gateways that follow a script, and a session."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import ParamSpec

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from collectors.gateways.clock_book import ClockBook
from collectors.gateways.command import CommandBook
from collectors.gateways.line import Line
from collectors.gateways.pace import Pace
from collectors.gateways.session import GatewaySession
from collectors.registry import GatewayPlan, MeterOnLine
from collectors.wire import dlt645
from collectors.wire.dlt645 import ABNORMAL, ANSWER, READ, RELAY, Dlt645Cutter, Dlt645Frame
from collectors.wire.round import Round
from collectors.wire.templates import TEMPLATES
from infra.ports import HOST, free_ports

P = ParamSpec("P")

WAIT_S = 90
NOON_MS = 1_772_424_000_000
"""2026-03-02T12:00:00+08:00."""
DEADLINE = datetime(2026, 3, 2, 12, 15, tzinfo=timezone(timedelta(hours=8)))
ENERGY = 0x0001_0000
STATUS_WORD_3 = 0x0400_0503
TRIP = 0x1A
READ_HOLDING = 0x03
WRITE_MULTIPLE = 0x10
CONTROL_WORD = 0x57
WORDS = 0x62

Script = Callable[[Dlt645Frame], Iterable[bytes]]


def awaited(test: Callable[P, Coroutine[None, None, None]]) -> Callable[P, None]:
    """Run a test's coroutine in a loop of its own; it fails if it takes longer than `WAIT_S`."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(WAIT_S):
                await test(*args, **kwargs)

        asyncio.run(bounded())

    return run


class SetClock:
    """A clock that shows what it was set to."""

    def __init__(self, now_ms: int = NOON_MS) -> None:
        self.at_ms = now_ms

    def now_ms(self) -> int:
        return self.at_ms


@dataclass
class Dlt645Meter:
    """A meter on a serial line; `counts` are 0.01 kWh.

    Attributes:
        told: What else it answers: by identifier, digits as read from left to right.
    """

    address: str
    counts: int
    is_open: bool = False
    relay_orders: list[int] = field(default_factory=list)
    told: dict[int, str] = field(default_factory=dict)

    def answer(self, request: Dlt645Frame) -> bytes:
        """What it answers; it does what it is told first."""
        if request.control == RELAY:
            self.relay_orders.append(request.data[8])
            self.is_open = request.data[8] == TRIP
            return dlt645.encode_frame(self.address, RELAY | ANSWER)
        if request.di == ENERGY:
            value = bytes.fromhex(f"{self.counts:08d}")[::-1]
        elif request.di == STATUS_WORD_3:
            value = bytes([0x50 if self.is_open else 0x00, 0])
        elif request.di in self.told:
            value = bytes.fromhex(self.told[request.di])[::-1]
        else:
            return self.refuse(READ)
        return dlt645.encode_read_answer(self.address, request.di, value)

    def refuse(self, function: int, error: int = 0x02) -> bytes:
        return dlt645.encode_frame(self.address, function | ANSWER | ABNORMAL, bytes([error]))


class ScriptedGateway:
    """Dials in and answers each request with what its script says: chunks, each written by itself."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.heard: list[Dlt645Frame] = []
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None
        self.ended = asyncio.Event()
        """Set while the collector has hung up."""
        self._spoken = asyncio.Event()

    @classmethod
    def of_meters(cls, *meters: Dlt645Meter) -> "ScriptedGateway":
        """A gateway that hands everything through to its meters."""
        by_address = {meter.address: meter for meter in meters}

        def script(request: Dlt645Frame) -> Iterator[bytes]:
            if request.address in by_address:
                yield by_address[request.address].answer(request)

        return cls(script)

    async def call(self, port: int, *registration: bytes) -> None:
        """Call the collector and say who it is, in as many pieces as given."""
        reader, self._writer = await asyncio.open_connection(HOST, port)
        self.ended.clear()
        self._task = asyncio.create_task(self._serve(reader, self._writer))
        await self.send(*registration)

    async def send(self, *chunks: bytes) -> None:
        """Write chunks so that each is read by itself."""
        assert self._writer is not None
        for chunk in chunks:
            self._writer.write(chunk)
            await self._writer.drain()
            # The other end is in the same loop: it has read this chunk before the next is written.
            for _ in range(5):
                await asyncio.sleep(0)

    async def spoken(self) -> None:
        """Wait until the collector says something more."""
        self._spoken.clear()
        await self._spoken.wait()

    async def hang_up(self) -> None:
        assert self._writer is not None
        assert self._task is not None
        self._task.cancel()
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        cutter = Dlt645Cutter()
        while chunk := await reader.read(4096):
            for frame in cutter.feed(chunk):
                request = dlt645.decode_frame(frame)
                self.heard.append(request)
                self._spoken.set()
                await self.send(*self.script(request))
        self.ended.set()


class PymodbusGateway:
    """Units on a pymodbus server, by unit: energy in 0.01 kWh and the two control words."""

    def __init__(self, units: dict[int, int]) -> None:
        self.counts = units
        self.control = {unit: [0, 0] for unit in units}
        self.more: dict[int, dict[int, int]] = {unit: {} for unit in units}
        """What else each unit tells: word by place."""
        self.writes: list[tuple[int, list[int]]] = []
        (self.port,) = free_ports(1)
        self._server: ModbusTcpServer | None = None

    async def start(self) -> None:
        devices = [SimDevice(0, simdata=[_words()], action=_absent)]
        devices += [
            SimDevice(unit, simdata=[_words()], action=functools.partial(self._access, unit)) for unit in self.counts
        ]
        self._server = ModbusTcpServer(devices, address=(HOST, self.port))
        await self._server.serve_forever(background=True)

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus leaves it untyped

    async def _access(
        self,
        unit: int,
        function: int,
        start: int,
        address: int,
        count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        if values is not None and function == WRITE_MULTIPLE and address == CONTROL_WORD:
            self.control[unit] = [int(value) for value in values]
            self.writes.append((unit, self.control[unit]))
            return None
        words = self.more[unit] | dict(enumerate(self.control[unit], CONTROL_WORD))
        words |= {0: self.counts[unit] >> 16, 1: self.counts[unit] & 0xFFFF}
        registers[address - start : address - start + count] = [words.get(address + place, 0) for place in range(count)]
        return None


def _words() -> SimData:
    return SimData(0, count=WORDS, datatype=DataType.REGISTERS)


async def _absent(
    _function: int,
    _start: int,
    _address: int,
    _count: int,
    _registers: list[int],
    _values: list[int] | list[bool] | None,
) -> ExcCodes | None:
    return ExcCodes.GATEWAY_NO_RESPONSE


def allowed() -> bool:
    """Lets a command that a test sends by itself go out."""
    return True


def meter_at(address: int, template: str = "ddsy1352") -> MeterOnLine:
    """A meter that is called after its address."""
    return MeterOnLine(f"M{address}", address, TEMPLATES[template])


def polled(port: int, *meters: MeterOnLine) -> GatewayPlan:
    return GatewayPlan("S1", "S1-G01", "modbus-tcp", HOST, port, "", meters)


def dialling(*addresses: int, template: str = "dlt645-2007") -> GatewayPlan:
    meters = tuple(meter_at(address, template) for address in addresses)
    return GatewayPlan("S1", "S1-G02", "dial-in", "", 0, "SLUICE-S1-G02", meters)


class Published:
    """Rounds as a session hands them out."""

    def __init__(self) -> None:
        self.rounds: asyncio.Queue[Round] = asyncio.Queue()

    async def publish(self, taken: Round) -> None:
        self.rounds.put_nowait(taken)


@dataclass
class Driven:
    """A session under test and what it gives out."""

    session: GatewaySession
    published: Published
    clock: SetClock
    book: CommandBook
    reports: list[tuple[int, str]]
    """Sequence and outcome of each report of a command."""

    async def next_round(self) -> Round:
        return await self.published.rounds.get()


SELDOM = Pace(interval_s=1e6, retry_s=0.01)
"""No round of its own accord while a test runs."""


@contextlib.asynccontextmanager
async def driven(
    plan: GatewayPlan,
    line: Line,
    folder: Path,
    *,
    pace: Pace = SELDOM,
    clock: SetClock | None = None,
    reported: Callable[[tuple[int, str]], None] | None = None,
) -> AsyncIterator[Driven]:
    """A session that runs on a line, its memory of commands in `folder`.

    Args:
        reported: Gets the reports of commands instead of `Driven.reports`.
    """
    published, clock = Published(), clock or SetClock()
    book, clocks = CommandBook(folder / "commands.sqlite"), ClockBook(folder / "clocks.sqlite")
    reports: list[tuple[int, str]] = []
    note = reported or reports.append
    session = GatewaySession(
        plan,
        line,
        clock=clock,
        pace=pace,
        book=book,
        clocks=clocks,
        publish=published.publish,
        report=lambda command, outcome, *_: note((command.sequence, outcome)),
    )
    task = asyncio.create_task(session.run())
    try:
        yield Driven(session, published, clock, book, reports)
    finally:
        assert not task.done(), "a session never ends by itself"
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await line.close()
        book.close()
        clocks.close()


def frames_of(taken: Round, item: str) -> dict[int, bytes]:
    """The frames of an item by address."""
    return {
        address: frame
        for block in taken.blocks
        if block.item == item
        for address, frame in zip(block.addresses.tolist(), block.frames(), strict=True)
    }
