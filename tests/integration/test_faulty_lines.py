"""All faults of lines and meters at once, over real sockets: the ledger ends with what the meters counted."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from collectors.gateways.dial_in_line import DialInLine, DialInListener
from collectors.gateways.line import Item, LineError
from collectors.gateways.session import Pace
from collectors.registry import GatewayPlan, MeterOnLine
from collectors.wire import dlt645
from collectors.wire.answers import read_register
from collectors.wire.dlt645 import Dlt645Cutter
from collectors.wire.errors import FrameError
from collectors.wire.round import Round
from infra.fleet.line_faults import Fault, LineFaults
from infra.fleet.seeded import Seeded
from infra.ports import HOST
from streams.core.outcome import Position, Source
from streams.core.site import SiteLedger
from streams.decode import read_rounds
from tests.integration.collector_lines import (
    NOON_MS,
    Dlt645Meter,
    SetClock,
    awaited,
    driven,
    frames_of,
    meter_at,
)
from tests.integration.serial_buses import Hear, RtuBus, RtuMeter, WaterBus, WaterMeter

ROUNDS = 40
MINUTE_MS = 60_000
RECHARGE_YUAN = 10_000_000
NANO_A_COUNT = 10_000_000
"""A count is 0.01 kWh or m3, at 1 yuan each."""
REGISTER_COUNTS = 10**8
"""Where a register of six digits and two decimals rolls over."""
Meter = Dlt645Meter | WaterMeter | RtuMeter


@dataclass
class Faulty:
    """A meter whose register rolls over or is zero for a moment; `counted` is what it took in all."""

    plan: MeterOnLine
    meter: Meter
    counted: int = 0
    shown: int = field(init=False)
    told: set[int] = field(default_factory=set)
    """All that its register has ever been."""

    def __post_init__(self) -> None:
        self.shown = self.meter.counts

    def count(self, counts: int, *, is_zero: bool) -> None:
        """Count on, and show that, or zero for a moment."""
        self.counted += counts
        self.shown = (self.shown + counts) % REGISTER_COUNTS
        self.meter.counts = 0 if is_zero else self.shown
        self.told.add(self.meter.counts)


class PowerBus:
    """DL/T645 meters on one bus."""

    def __init__(self, *meters: Dlt645Meter) -> None:
        self._meters = {meter.address: meter for meter in meters}
        self._cutter = Dlt645Cutter()

    def hear(self, chunk: bytes) -> list[bytes]:
        requests = [dlt645.decode_frame(frame) for frame in self._cutter.feed(chunk)]
        return [self._meters[request.address].answer(request) for request in requests]


class Gateway:
    """Calls the collector, hands its bus through with the line's faults, and calls again when it restarts."""

    def __init__(self, name: str, hear: Hear, faults: LineFaults) -> None:
        self._name, self._hear, self._faults = name, hear, faults
        self.seen: Counter[Fault] = Counter()

    async def run(self, port: int) -> None:
        while True:
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(self._name.encode())
            try:
                with contextlib.suppress(ConnectionError):
                    await self._serve(reader, writer)
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(4096):
            for answer in self._hear(chunk):
                sent = self._faults.send(answer)
                self.seen[sent.fault] += 1
                writer.write(b"".join(sent.pieces))
                await writer.drain()
                if sent.restarts:
                    return


def orders(meters: Iterable[Faulty], gateways: dict[str, str]) -> Iterable[dict[str, object]]:
    """One account a meter, 1 yuan a unit."""
    for kind, unit in (("electricity", "kWh"), ("water", "m3")):
        yield {
            "order": "set_tariff",
            "tariff": kind,
            "from": "2026-01-01T00:00:00+08:00",
            "unit": unit,
            "cycle": "none",
            "components": {"supply": {"all": ["1"]}},
        }
    for each in meters:
        name, kind = each.plan.meter, "water" if isinstance(each.meter, WaterMeter) else "electricity"
        yield {"order": "open_account", "account": f"A-{name}"}
        yield {
            "order": "install_meter",
            "meter": name,
            "account": f"A-{name}",
            "kind": kind,
            "tariff": kind,
            "register": f"{each.shown // 100}.{each.shown % 100:02d}",
            "digits": 6,
            "gateway": gateways[name],
            "address": str(each.plan.address),
            "template": each.plan.template.name,
        }
        recharge = {"order": "recharge", "account": f"A-{name}", "order_id": f"R-{name}"}
        yield {**recharge, "amount": str(RECHARGE_YUAN)}


def buses() -> dict[str, tuple[list[Faulty], Hear]]:
    """Three gateways, one a protocol; the last meter of each is about to roll over."""
    starts = (1_000, 55_667, REGISTER_COUNTS - 300)
    power = [Dlt645Meter(f"{number:012d}", counts) for number, counts in zip((11, 12, 13), starts, strict=True)]
    water = [WaterMeter(f"{number:014d}", counts) for number, counts in zip((21, 22, 23), starts, strict=True)]
    # The second control word means nothing while the first is 0, but makes the relay's words those of no register.
    rtu = [RtuMeter(number, counts, [0, 1]) for number, counts in zip((31, 32, 33), starts, strict=True)]
    return {
        "P": ([Faulty(meter_at(int(each.address), "dlt645-2007"), each) for each in power], PowerBus(*power).hear),
        "W": ([Faulty(meter_at(int(each.address), "cjt188-water"), each) for each in water], WaterBus(*water).hear),
        "R": ([Faulty(meter_at(each.unit), each) for each in rtu], RtuBus(*rtu).hear),
    }


@pytest.mark.parametrize("seed", [1, 2, 3])
@awaited
async def test_the_ledger_ends_with_what_the_meters_counted(seed: int, tmp_path: Path) -> None:
    fleet = buses()
    meters = [each for part, _ in fleet.values() for each in part]
    draw, clock, ledger = Seeded(seed, "meters"), SetClock(), SiteLedger("S1")
    placed = {each.plan.meter: gateway for gateway, (part, _) in fleet.items() for each in part}
    for number, order in enumerate(orders(meters, placed)):
        ledger.take_order(order, at=NOON_MS - MINUTE_MS, position=Position(Source.ORDERS, number, 0))
    lines = {name: DialInLine(timeout_s=0.02) for name in fleet}
    faults = {name: LineFaults(seed, name) for name in fleet}
    listener = DialInListener(lines)
    port = await listener.start(HOST, 0)
    gateways = [Gateway(name, hear, faults[name]) for name, (_, hear) in fleet.items()]
    running = [asyncio.create_task(gateway.run(port)) for gateway in gateways]
    pace = Pace(interval_s=1e6, silent_meters=99)
    async with contextlib.AsyncExitStack() as stack:
        sessions = []
        for name, (part, _) in fleet.items():
            plan = GatewayPlan("S1", name, "dial-in", "", 0, name, tuple(each.plan for each in part))
            folder = tmp_path / name
            folder.mkdir()
            run = await stack.enter_async_context(driven(plan, lines[name], folder, pace=pace, clock=clock))
            sessions.append(run.session)
        offset = 0
        for number in range(ROUNDS + 1):
            clock.at_ms += MINUTE_MS
            for line in lines.values():
                await line.connected.wait()
            if number == ROUNDS:
                for fault in faults.values():
                    fault.is_calm = True
                await settle_lines(lines, fleet)
            for each in meters:
                # Zero for a moment, as after a power failure; not where that would be a rollover.
                may_be_zero = number < ROUNDS and each.plan.address % 10 == 2
                each.count(draw.below(50), is_zero=may_be_zero and draw.below(10) == 0)
            for taken in await asyncio.gather(*(session.read_round() for session in sessions)):
                if taken is not None:
                    check_told(taken, meters)
                    ledger.take_readings(read_rounds(ledger, [(offset, taken)]).batch)
                    offset += 1
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    await listener.stop()
    spent = {each.plan.meter: RECHARGE_YUAN * 10**9 - ledger.balances()[f"A-{each.plan.meter}"] for each in meters}
    assert spent == {each.plan.meter: each.counted * NANO_A_COUNT for each in meters}
    seen = sum((gateway.seen for gateway in gateways), Counter[Fault]())
    assert set(seen) == set(Fault)


def check_told(taken: Round, meters: list[Faulty]) -> None:
    """Every register in a round is one that its meter has shown: none is another meter's, or no register at all."""
    by_address = {each.plan.address: each for each in meters}
    for address, frame in frames_of(taken, "energy").items():
        each = by_address[address]
        with contextlib.suppress(FrameError):
            assert read_register(frame, each.plan.template, address) // 10 in each.told


async def settle_lines(lines: dict[str, DialInLine], fleet: dict[str, tuple[list[Faulty], Hear]]) -> None:
    """Ask until every meter has answered once on its calm line: what was held is out, and no unit is in doubt."""
    for name, (part, _) in fleet.items():
        for each in part:
            for _ in range(20):
                with contextlib.suppress(LineError):
                    await lines[name].ask(each.plan, Item.ENERGY)
                    break
