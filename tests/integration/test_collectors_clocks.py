"""Clocks of meters and what else they are told beside supply, over real sockets."""

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
from typer.testing import CliRunner

from collectors.gateways.clock_care import TOLERATED_MS
from collectors.gateways.command import Command
from collectors.gateways.report import Outcome
from infra.cli.app import app
from infra.fleet.fault import Fault
from infra.fleet.property import Link, PropertySize
from streams.core.localtime import format_time
from tests.integration.collector_lines import awaited
from tests.integration.fleet_run import FleetRun, fleet_run

SECOND_MS, MINUTE_MS = 1_000, 60_000
ROUNDS_A_TURN = 12
POWER, WATER = "S1-M0001", "S1-M0004"


@contextlib.asynccontextmanager
async def two_buses(folder: Path) -> AsyncIterator[FleetRun]:
    """Three meters by DL/T645, three water meters; all their clocks are wrong by minutes."""
    size = PropertySize(1, 2, 6, links=(Link.DIAL_IN, Link.WATER), faults=frozenset({Fault.DRIFT}))
    async with fleet_run(size, folder) as run:
        await run.called()
        await run.turn_clock(60)
        yield run


def off_ms(run: FleetRun, meter: str) -> int:
    now_ms = run.clock.now_ms()
    return run.fleet.meters[meter].clock_ms(now_ms) - now_ms


async def ordered(run: FleetRun, meter: str, action: str) -> tuple[Outcome, str]:
    """Order it at the office; what the collector reports."""
    order = {"order": "control", "meter": meter, "action": action, "site": "S1"}
    run.order({**order, "at": format_time(run.clock.now_ms())})
    command, outcome, detail = await run.reports.get()
    assert (command.meter, command.action) == (meter, action)
    return outcome, detail


@awaited
async def test_a_bus_is_set_once_its_clocks_are_found_to_be_off(tmp_path: Path) -> None:
    async with two_buses(tmp_path) as run:
        before = {meter: off_ms(run, meter) for meter in run.fleet.meters}
        assert any(abs(off) > TOLERATED_MS for meter, off in before.items() if meter <= "S1-M0003")
        for _ in range(ROUNDS_A_TURN):
            await run.turn_clock(5)
            await run.round()
        power = [meter for meter in before if meter <= "S1-M0003"]
        assert all(abs(off_ms(run, meter)) <= SECOND_MS for meter in power)
        for _ in range(ROUNDS_A_TURN):
            await run.turn_clock(5)
            await run.round()
        known = {clock.meter: clock for clock in run.clocks()}
        assert known.keys() == before.keys()
        for meter, clock in known.items():
            assert clock.drift_ms is not None
            true_ms = before[meter] if meter not in power else 0
            assert abs(clock.drift_ms - true_ms) <= 3 * SECOND_MS
    listed = CliRunner().invoke(app, ["clocks", "--json", "--all"], env={"SLUICE_DATA_DIR": str(tmp_path)})
    assert [json.loads(line)["meter"] for line in listed.output.splitlines()] == sorted(before)
    told = CliRunner().invoke(app, ["clocks"], env={"SLUICE_DATA_DIR": str(tmp_path)}).output
    assert all(meter not in told for meter in power)
    assert told.splitlines()[-1].startswith("6 clocks measured, ")


@awaited
async def test_a_clock_is_set_by_order_and_read_back(tmp_path: Path) -> None:
    async with two_buses(tmp_path) as run:
        assert abs(off_ms(run, POWER)) > TOLERATED_MS
        assert await ordered(run, POWER, "sync_time") == (Outcome.ACCEPTED, "")
        assert abs(off_ms(run, POWER)) <= SECOND_MS


@awaited
async def test_a_clock_that_stays_wrong_is_reported(tmp_path: Path) -> None:
    async with two_buses(tmp_path) as run:
        now_ms = run.clock.now_ms()
        run.fleet.meters[POWER].set_clock(now_ms + 60 * MINUTE_MS, at_ms=now_ms)
        outcome, detail = await ordered(run, POWER, "sync_time")
        assert outcome is Outcome.REFUSED
        assert detail == "its clock is +3600 s off after it was set"


@awaited
async def test_a_clock_that_nobody_knows_how_to_set_is_reported(tmp_path: Path) -> None:
    async with two_buses(tmp_path) as run:
        outcome, detail = await ordered(run, WATER, "sync_time")
        assert (outcome, detail) == (Outcome.UNSUPPORTED, "template cjt188-water does not say how a clock is set")


@awaited
async def test_commands_about_different_things_go_out_in_the_order_of_their_sequences(tmp_path: Path) -> None:
    async with two_buses(tmp_path) as run:
        meter = run.fleet.meters[POWER]
        retain = command_for(run, "retain", 1)
        for command in (
            retain,
            replace_action(retain, "cut", 2),
            replace_action(retain, "sync_time", 3),
            replace_action(retain, "release", 4),
        ):
            run.command(command)
        told = [await run.reports.get() for _ in range(3)]
        # Nothing was sent before all had come: release takes the place of retain, and the others keep theirs.
        assert [(command.action, outcome) for command, outcome, _ in told] == [
            ("retain", Outcome.OVERTAKEN),
            ("cut", Outcome.ACCEPTED),
            ("sync_time", Outcome.ACCEPTED),
        ]
        command, outcome, _ = await run.reports.get()
        assert (command.action, outcome) == ("release", Outcome.ACCEPTED)
        assert meter.control.is_open
        assert not meter.control.retained


@awaited
async def test_a_meter_that_is_retained_takes_no_trip_until_it_is_released(tmp_path: Path) -> None:
    async with two_buses(tmp_path) as run:
        meter = run.fleet.meters[POWER]
        first = command_for(run, "retain", 1)
        outcomes = []
        for sequence, action in enumerate(("retain", "cut", "release", "cut"), 1):
            run.command(replace_action(first, action, sequence))
            _, outcome, _ = await run.reports.get()
            outcomes.append((outcome, meter.control.is_open, meter.control.retained))
        assert outcomes == [
            (Outcome.ACCEPTED, False, True),
            (Outcome.REFUSED, False, True),
            (Outcome.ACCEPTED, False, False),
            (Outcome.ACCEPTED, True, False),
        ]


@awaited
async def test_a_valve_that_cannot_be_retained_is_reported(tmp_path: Path) -> None:
    async with two_buses(tmp_path) as run:
        run.command(command_for(run, "retain", 1, meter=WATER))
        _, outcome, detail = await run.reports.get()
        assert outcome is Outcome.UNSUPPORTED
        assert detail == "how a meter of template cjt188-water is kept from cutting by itself is not known"


def command_for(run: FleetRun, action: str, sequence: int, *, meter: str = POWER) -> Command:
    spec, now_ms = run.fleet.meters[meter].spec, run.clock.now_ms()
    return Command(
        v=1,
        site="S1",
        gateway=spec.gateway,
        meter=meter,
        address=spec.address,
        template=spec.template,
        sequence=sequence,
        action=action,
        reason="manual",
        repeat=False,
        issued_at=format_time(now_ms),
        expires_at=format_time(now_ms + 15 * MINUTE_MS),
    )


def replace_action(command: Command, action: str, sequence: int) -> Command:
    return msgspec.structs.replace(command, action=action, sequence=sequence)
