"""Theft and health from meters' own status, over real sockets into a partition's ledger: alarms with their frames."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from collectors.gateways.pace import Pace
from collectors.gateways.polled_line import PolledLine
from collectors.registry import GatewayPlan
from collectors.wire.answers import read_conditions, read_register
from collectors.wire.dlt645 import Dlt645Frame
from collectors.wire.round import Round, encode_round
from collectors.wire.templates import TEMPLATES
from infra.ports import HOST
from infra.topics import GATEWAY_COMMANDS, LEDGER_POSTINGS, LEDGER_STATE, partition_of
from streams.core.conditions import Condition, bit_of
from streams.core.outcome import Alarm
from streams.core.site import SiteLedger
from streams.partition import Partition
from streams.postings import decode_postings
from streams.records import NEXT_KEY, NextOffsets
from tests.integration.collector_lines import (
    ENERGY,
    NOON_MS,
    STATUS_WORD_3,
    Dlt645Meter,
    awaited,
    dialling,
    driven,
    meter_at,
)
from tests.integration.serial_buses import WaterBus, WaterMeter, serving
from tests.integration.test_collectors_credit import BANDS, COUNT, OVERDRAFT, REMAINING, calling
from tests.ledger_inputs import never_ahead

ADDRESS = 161
WATER = 78331505900569
DLT645 = "dtsy1352-dlt645"
STATUS, COVER, TERMINAL, MAGNET = 0x0400_05FF, 0x0330_0D00, 0x0330_0E00, 0x0335_0000
CLOCK_TIME = 0x0400_0102
PARTITION = partition_of(b"S1", 4)
ALL_EVENTS = Pace(interval_s=1e6, events_every=1)
PLAN: GatewayPlan = dialling(ADDRESS, template=DLT645)


def status(*bits: int) -> str:
    """Status words 1 to 7 with these bits, as digits from left to right."""
    return sum(1 << bit for bit in bits).to_bytes(14, "big").hex()


@dataclass
class Record:
    offset: int
    value: bytes
    key: bytes = b"S1"
    timestamp: int = NOON_MS


@dataclass
class Worker:
    """A worker's ledger of one partition, and what it stored."""

    stored: dict[bytes, bytes] = field(default_factory=dict)
    frames: int = 0
    orders: int = 0
    sequence: int = 0
    entries: int = 0
    """Movements of money other than that of the opening, and commands; there are to be none."""
    _partition: Partition | None = None

    def install(self, gateway: str, template: str, address: int, kind: str = "electricity") -> None:
        orders = [
            {"order": "open_account", "account": "A1"},
            {
                "order": "install_meter",
                "meter": "M1",
                "account": "A1",
                "kind": kind,
                "register": "1000",
                "gateway": gateway,
                "address": str(address),
                "template": template,
            },
        ]
        at = {"at": "2026-03-02T08:00:00+08:00"}
        self._take([json.dumps(order | at).encode() for order in orders], [])

    def take(self, taken: Round | None) -> list[Alarm]:
        assert taken is not None
        return self._take([], [encode_round(taken)])

    def restart(self) -> None:
        """Be another process, which has nothing but what was stored."""
        self._partition = None

    def _take(self, orders: list[bytes], rounds: list[bytes]) -> list[Alarm]:
        if self._partition is None:
            pages = {key: value for key, value in self.stored.items() if key != NEXT_KEY}
            self._partition = Partition(
                PARTITION,
                partitions=4,
                start=NextOffsets(frames=self.frames, orders=self.orders, sequence=self.sequence),
                pages=pages,
                open_site=SiteLedger.load,
                is_ahead=never_ahead,
            )
        batch = self._partition.take(
            [Record(self.orders + place, value) for place, value in enumerate(orders)],
            [Record(self.frames + place, value) for place, value in enumerate(rounds)],
        )
        self.frames, self.orders, self.sequence = batch.next.frames, batch.next.orders, batch.next.sequence
        assert batch.rejected == 0
        alarms: list[Alarm] = []
        for output in batch.outputs:
            if output.topic == LEDGER_STATE:
                self.stored[output.key] = output.value
            elif output.topic == LEDGER_POSTINGS:
                outcome = decode_postings(output.value).outcome
                assert outcome.refusals == ()
                alarms += outcome.alarms
                self.entries += len(outcome.entries)
            self.entries += output.topic == GATEWAY_COMMANDS
        return [alarm for alarm in alarms if alarm.kind != "unpriced"]


def kinds(alarms: list[Alarm]) -> list[str]:
    return [alarm.kind for alarm in alarms]


def dlt645_meter(told: Mapping[int, str]) -> Dlt645Meter:
    return Dlt645Meter(f"{ADDRESS:012d}", counts=100_000, told=dict(told))


CALM = {STATUS: status(), COVER: "000027", TERMINAL: "000000", MAGNET: "000000"}


@awaited
async def test_each_condition_is_told_once_with_the_frame_that_shows_it(tmp_path: Path) -> None:
    worker, meter = Worker(), dlt645_meter(CALM)
    worker.install("S1-G02", DLT645, ADDRESS)
    async with calling(meter) as line, driven(PLAN, line, tmp_path, pace=ALL_EVENTS) as run:

        async def next_alarms() -> list[Alarm]:
            run.clock.at_ms += 300_000
            return worker.take(await run.session.read_round())

        assert await next_alarms() == []
        meter.told[STATUS] = status(2, 48, 53, 70)
        alarms = await next_alarms()
        assert kinds(alarms) == ["voltage_lost", "power_reversed", "clock_battery", "overload"]
        template = TEMPLATES[DLT645]
        shown = sum(bit_of(Condition(alarm.kind)) for alarm in alarms)
        assert [read_conditions(alarm.frame, template, ADDRESS) for alarm in alarms] == [shown] * 4
        assert {(alarm.at, alarm.position.offset, alarm.position.line) for alarm in alarms} == {
            (run.clock.at_ms, worker.frames - 1, 0)
        }
        meter.told |= {COVER: "000028", MAGNET: "000001"}
        worker.restart()
        opened, magnet = await next_alarms()
        assert kinds([opened, magnet]) == ["cover_opened", "magnetic_field"]
        assert read_register(opened.frame, template, ADDRESS, "cover_opened") == 28
        assert read_register(magnet.frame, template, ADDRESS, "magnetic_field") == 1
        assert await next_alarms() == []
        meter.told[STATUS] = status()
        worker.restart()
        assert await next_alarms() == []
        meter.told[STATUS] = status(80)
        assert kinds(await next_alarms()) == ["voltage_lost"]
    assert worker.entries == 0


@awaited
async def test_the_same_rounds_give_the_same_alarms_and_pages(tmp_path: Path) -> None:
    worker, meter = Worker(), dlt645_meter(CALM)
    worker.install("S1-G02", DLT645, ADDRESS)
    rounds: list[Round] = []
    async with calling(meter) as line, driven(PLAN, line, tmp_path, pace=ALL_EVENTS) as run:
        for told in ({}, {STATUS: status(53)}, {COVER: "000030"}, {STATUS: status()}, {STATUS: status(53, 2)}):
            meter.told |= told
            run.clock.at_ms += 300_000
            taken = await run.session.read_round()
            assert taken is not None
            rounds.append(taken)
    alarms = [alarm for taken in rounds for alarm in worker.take(taken)]
    assert kinds(alarms) == ["overload", "cover_opened", "clock_battery", "overload"]
    again = Worker()
    again.install("S1-G02", DLT645, ADDRESS)
    repeated: list[Alarm] = []
    for taken in rounds:
        repeated += again.take(taken)
        again.restart()
    assert (repeated, again.stored) == (alarms, worker.stored)


@pytest.mark.parametrize("refused", [STATUS, COVER], ids=["status", "cover"])
@awaited
async def test_a_meter_that_refuses_to_tell_is_read_and_nothing_is_made_up(tmp_path: Path, refused: int) -> None:
    worker, meter = Worker(), dlt645_meter({**CALM, STATUS: status(53), COVER: "000028"})
    worker.install("S1-G02", DLT645, ADDRESS)
    async with calling(meter) as line, driven(PLAN, line, tmp_path, pace=ALL_EVENTS) as run:
        assert kinds(worker.take(await run.session.read_round())) == ["overload"]
        gone = meter.told.pop(refused)
        run.clock.at_ms += 300_000
        assert worker.take(await run.session.read_round()) == []
        meter.told[refused] = gone
        run.clock.at_ms += 300_000
        assert worker.take(await run.session.read_round()) == []


CREDIT = [REMAINING, OVERDRAFT, COUNT]
EVENTS = [COVER, TERMINAL, MAGNET]
EVERYTHING = [BANDS, *CREDIT, STATUS, *EVENTS]


@pytest.mark.parametrize(
    ("keeps_silent", "asked_by_round"),
    [
        pytest.param(
            False,
            [EVERYTHING, *[[BANDS, *CREDIT, STATUS]] * 2, *[[STATUS]] * 3, EVERYTHING, [COUNT, STATUS]],
            id="refuses",
        ),
        # Two silences in a row, and the meter may have gone: it is not asked for what is behind them.
        pytest.param(
            True,
            [*[[BANDS, REMAINING]] * 3, *[[OVERDRAFT, COUNT]] * 3, EVERYTHING, [COUNT, STATUS]],
            id="keeps silent",
        ),
    ],
)
@awaited
async def test_what_a_meter_does_not_tell_is_asked_ever_less(
    tmp_path: Path, keeps_silent: bool, asked_by_round: list[list[int]]
) -> None:
    """A meter without tariffs and credit, which learns to tell its count before it is asked for all again."""
    meter, asked = dlt645_meter(CALM), list[int]()

    def script(request: Dlt645Frame) -> list[bytes]:
        assert request.di is not None
        if request.di != CLOCK_TIME:
            asked.append(request.di)
        is_known = request.di in {ENERGY, STATUS_WORD_3, *meter.told}
        return [meter.answer(request)] if is_known or not keeps_silent else []

    # 161 modulo 6 is 5, so the meter's turn is in the first round and the seventh.
    pace = Pace(interval_s=1e6, tries=1, events_every=6)
    items: list[str] = []
    timeout_s = 0.1 if keeps_silent else 5.0
    async with calling(meter, script, timeout_s=timeout_s) as line, driven(PLAN, line, tmp_path, pace=pace) as run:
        for number, expected in enumerate(asked_by_round, 1):
            if number == 7:
                meter.told[COUNT] = "0003"
            asked.clear()
            taken = await run.session.read_round()
            assert asked == [ENERGY, STATUS_WORD_3, *expected], number
            assert taken is not None
            items = [block.item for block in taken.blocks]
            assert items[:2] == ["energy", "relay"]
    assert items == ["energy", "relay", "count", "status"]


@awaited
async def test_counts_of_events_are_asked_in_one_round_of_many(tmp_path: Path) -> None:
    pace = Pace(interval_s=1e6, events_every=3)
    async with calling(dlt645_meter(CALM)) as line, driven(PLAN, line, tmp_path, pace=pace) as run:
        blocks = []
        for _ in range(6):
            taken = await run.session.read_round()
            assert taken is not None
            blocks.append({block.item for block in taken.blocks} & {"cover_opened", "magnetic_field"})
    # Address 161 modulo 3 is 2, so its turn is the first round of three.
    assert [len(asked) for asked in blocks] == [2, 0, 0, 2, 0, 0]


@awaited
async def test_a_water_meters_battery_is_told_by_the_answer_that_has_its_register(tmp_path: Path) -> None:
    worker = Worker()
    worker.install("S1-G03", "cjt188-water", WATER, kind="water")
    meter = WaterMeter(f"{WATER:014d}", counts=100_000)
    bus = WaterBus(meter)
    plan = GatewayPlan("S1", "S1-G03", "tcp", HOST, 1, "", (meter_at(WATER, "cjt188-water"),))
    async with serving(bus.hear) as port:
        line = PolledLine(HOST, port, timeout_s=5.0)
        async with driven(plan, line, tmp_path) as run:
            assert worker.take(await run.session.read_round()) == []
            meter.is_battery_low = True
            run.clock.at_ms += 300_000
            taken = await run.session.read_round()
            (alarm,) = worker.take(taken)
    assert taken is not None
    assert [block.item for block in taken.blocks] == ["energy", "relay", "status"]
    assert (alarm.kind, alarm.frame) == ("battery", taken.blocks[0].data)
    assert len(bus.heard) == 2
