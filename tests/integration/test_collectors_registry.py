"""A registry that changes while the collector runs: gateways come, go and change, and the others notice nothing."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from structlog.testing import capture_logs

from collectors.gateways.clock_book import ClockBook
from collectors.gateways.command import Command, CommandBook
from collectors.gateways.dial_in_line import DialInListener
from collectors.gateways.line import Line
from collectors.gateways.pace import Pace
from collectors.gateways.session import GatewaySession
from collectors.registry import REGISTRY_FILE, GatewayPlan, read_registry
from collectors.registry_watch import RegistryWatch
from collectors.sessions import Sessions
from infra.ports import HOST, free_ports
from tests.integration.collector_lines import (
    Dlt645Meter,
    Published,
    PymodbusGateway,
    ScriptedGateway,
    SetClock,
    awaited,
    frames_of,
)

ADDRESS = 151230011061
LOOK_EVERY_S = 0.01


def polled(name: str, port: int, *addresses: int) -> dict[str, Any]:
    meters = [{"meter": f"{name}-M{address}", "address": str(address), "template": "ddsy1352"} for address in addresses]
    return {"gateway": name, "link": "modbus-tcp", "host": HOST, "port": port, "meters": meters}


def dialling(name: str, registration: str) -> dict[str, Any]:
    meters = [{"meter": f"{name}-M1", "address": str(ADDRESS), "template": "dlt645-2007"}]
    return {"gateway": name, "link": "dial-in", "registration": registration, "meters": meters}


@dataclass
class Collector:
    """What serves the registry's gateways, as the process does, without Kafka."""

    path: Path
    published: Published
    reports: asyncio.Queue[tuple[int, str]]
    sessions: Sessions
    port: int
    watching: asyncio.Task[None]

    def write(self, *gateways: Mapping[str, Any]) -> None:
        """Change the registry, as an operator's editor does: a further file in its place."""
        write(self.path, *gateways)

    async def round_of(self, gateway: str) -> dict[int, bytes]:
        """The registers in the next round of a gateway."""
        while (taken := await self.published.rounds.get()).gateway != gateway:
            pass
        return frames_of(taken, "energy")


def write(path: Path, *gateways: Mapping[str, Any]) -> None:
    further = path.with_suffix(".new")
    further.write_text(json.dumps({"sites": [{"site": "S1", "gateways": gateways}]}))
    further.rename(path)


@contextlib.asynccontextmanager
async def collecting(folder: Path, *gateways: Mapping[str, Any]) -> AsyncIterator[Collector]:
    path = folder / REGISTRY_FILE
    write(path, *gateways)
    published, reports, book = Published(), asyncio.Queue[tuple[int, str]](), CommandBook(folder / "commands.sqlite")
    clocks = ClockBook(folder / "clocks.sqlite")

    def report(command: Command, outcome: str, *_: object) -> None:
        reports.put_nowait((command.sequence, outcome))

    def open_session(plan: GatewayPlan, line: Line) -> GatewaySession:
        pace = Pace(interval_s=0.05, retry_s=0.01)
        return GatewaySession(
            plan,
            line,
            clock=SetClock(),
            pace=pace,
            book=book,
            clocks=clocks,
            publish=published.publish,
            report=report,
        )

    listener = DialInListener({})
    sessions = Sessions(open_session, listener, report=report)
    port = await listener.start(HOST, 0)
    registry = read_registry(path)
    await sessions.take(registry)
    watching = asyncio.create_task(RegistryWatch(path, registry, look_every_s=LOOK_EVERY_S).run(sessions.take))
    try:
        yield Collector(path, published, reports, sessions, port, watching)
        assert not watching.done()
        assert not sessions.failure.done()
    finally:
        watching.cancel()
        await asyncio.wait({watching})
        await sessions.close()
        await listener.stop()
        book.close()
        clocks.close()


def command(gateway: str, address: int, sequence: int, action: str = "cut") -> Command:
    return Command(
        v=1,
        site="S1",
        gateway=gateway,
        meter=f"{gateway}-M{address}",
        address=str(address),
        template="ddsy1352",
        sequence=sequence,
        action=action,
        reason="manual",
        repeat=False,
        issued_at="2026-03-02T12:00:00+08:00",
        expires_at="2026-03-02T12:15:00+08:00",
    )


@awaited
async def test_gateways_come_and_go_and_the_others_keep_their_connections(tmp_path: Path) -> None:
    modbus, other = PymodbusGateway({17: 5, 18: 6}), PymodbusGateway({17: 7})
    await modbus.start()
    await other.start()
    dial_in = ScriptedGateway.of_meters(Dlt645Meter(str(ADDRESS), counts=26))
    stays = dialling("G02", "SLUICE-G02")
    try:
        async with collecting(tmp_path, polled("G01", modbus.port, 17), stays) as collector:
            await dial_in.call(collector.port, b"SLUICE-G02")
            assert set(await collector.round_of("G01")) == {17}
            assert set(await collector.round_of("G02")) == {ADDRESS}

            collector.write(stays, polled("G03", other.port, 17))
            assert set(await collector.round_of("G03")) == {17}
            assert "G01" not in collector.sessions
            assert "G02" in collector.sessions
            while not collector.published.rounds.empty():
                collector.published.rounds.get_nowait()
            assert set(await collector.round_of("G02")) == {ADDRESS}
            assert not dial_in.ended.is_set(), "its connection was let go of"

            collector.write(stays, polled("G01", modbus.port, 17, 18))
            assert set(await collector.round_of("G01")) == {17, 18}
            assert not dial_in.ended.is_set()

            # Known by another text: the old connection ends, and a call under the new one is taken.
            collector.write(dialling("G02", "OTHER-G02"))
            await dial_in.ended.wait()
            await dial_in.call(collector.port, b"OTHER-G02")
            while not collector.published.rounds.empty():
                collector.published.rounds.get_nowait()
            assert set(await collector.round_of("G02")) == {ADDRESS}
            await dial_in.hang_up()
    finally:
        await modbus.stop()
        await other.stop()


@awaited
async def test_a_registry_with_a_fault_is_told_of_and_not_taken(tmp_path: Path) -> None:
    modbus = PymodbusGateway({17: 5, 18: 6})
    await modbus.start()
    try:
        with capture_logs() as logs:
            async with collecting(tmp_path, polled("G01", modbus.port, 17)) as collector:
                await collector.round_of("G01")
                collector.path.write_text('{"sites": [{"site": "S1"')
                while not any(line["log_level"] == "error" for line in logs):
                    await collector.round_of("G01")
                collector.write(polled("G01", modbus.port, 17, 18))
                while set(await collector.round_of("G01")) != {17, 18}:
                    pass
        (told,) = [line for line in logs if line["log_level"] == "error"]
        assert "registry not taken" in told["event"]
        assert REGISTRY_FILE in told["error"]
    finally:
        await modbus.stop()


@awaited
async def test_a_command_that_waits_is_carried_out_where_its_gateway_is_then(tmp_path: Path) -> None:
    modbus = PymodbusGateway({17: 5})
    (nobody,) = free_ports(1)
    await modbus.start()
    try:
        async with collecting(tmp_path, polled("G01", nobody, 17), polled("G02", nobody, 17)) as collector:
            collector.sessions.order(command("G01", 17, 4))
            collector.sessions.order(command("G02", 17, 9))
            collector.write(polled("G01", modbus.port, 17))
            assert sorted([await collector.reports.get(), await collector.reports.get()]) == [
                (4, "accepted"),
                (9, "misplaced"),
            ]
            collector.sessions.order(command("G02", 17, 10))
            assert await collector.reports.get() == (10, "misplaced")
        assert modbus.writes == [(17, [1, 1])]
    finally:
        await modbus.stop()


def gateway_with(name: str, port: int, **meters: int) -> dict[str, Any]:
    found = [{"meter": meter, "address": str(address), "template": "ddsy1352"} for meter, address in meters.items()]
    return {"gateway": name, "link": "modbus-tcp", "host": HOST, "port": port, "meters": found}


def for_meter(meter: str, gateway: str, address: int, sequence: int) -> Command:
    return msgspec.structs.replace(command(gateway, address, sequence), meter=meter)


@awaited
async def test_a_command_never_goes_to_a_meter_that_took_the_place_of_its_own(tmp_path: Path) -> None:
    first, second = PymodbusGateway({17: 5, 19: 8}), PymodbusGateway({17: 7, 18: 6})
    (nobody,) = free_ports(1)
    await first.start()
    await second.start()
    try:
        before = gateway_with("G01", nobody, MA=17), gateway_with("G02", second.port, MB=18)
        async with collecting(tmp_path, *before) as collector:
            collector.sessions.order(for_meter("MA", "G01", 17, 4))
            # MA has moved to another gateway, and MC hangs where it was.
            collector.write(gateway_with("G01", first.port, MC=17), gateway_with("G02", second.port, MA=17))
            assert await collector.reports.get() == (4, "misplaced")
            collector.sessions.order(for_meter("MA", "G01", 17, 5))
            assert await collector.reports.get() == (5, "misplaced")
            collector.sessions.order(for_meter("MA", "G02", 17, 6))
            assert await collector.reports.get() == (6, "accepted")
        assert (first.writes, second.writes) == ([], [(17, [1, 1])])
    finally:
        await first.stop()
        await second.stop()


@awaited
async def test_a_command_that_waits_is_not_for_another_meter_at_its_address(tmp_path: Path) -> None:
    modbus = PymodbusGateway({17: 5, 18: 6})
    (nobody,) = free_ports(1)
    await modbus.start()
    try:
        async with collecting(tmp_path, gateway_with("G01", nobody, MA=17, MB=18)) as collector:
            collector.sessions.order(for_meter("MA", "G01", 17, 4))
            # The ledger knew the successor of MB before the registry did.
            collector.sessions.order(for_meter("MB-2", "G01", 18, 1))
            collector.write(gateway_with("G01", modbus.port, **{"MC": 17, "MB-2": 18}))
            assert sorted([await collector.reports.get(), await collector.reports.get()]) == [
                (1, "accepted"),
                (4, "misplaced"),
            ]
        assert modbus.writes == [(18, [1, 1])]
    finally:
        await modbus.stop()


@awaited
async def test_a_command_that_comes_while_its_gateway_changes_is_carried_out(tmp_path: Path) -> None:
    modbus = PymodbusGateway({17: 5, 18: 6})
    await modbus.start()
    try:
        async with collecting(tmp_path, polled("G01", modbus.port, 17), polled("G02", modbus.port, 17)) as collector:
            await collector.round_of("G01")
            further = [polled("G01", modbus.port, 17, 18), polled("G02", modbus.port, 17, 18)]
            write(collector.path, *further)
            registry = read_registry(collector.path)
            changing = asyncio.create_task(collector.sessions.take(registry))
            await asyncio.sleep(0)
            # The old sessions end, the further ones are not there yet.
            assert "G01" in collector.sessions
            collector.sessions.order(command("G01", 17, 4))
            collector.sessions.order(command("G02", 17, 5))
            await changing
            assert sorted([await collector.reports.get(), await collector.reports.get()]) == [
                (4, "accepted"),
                (5, "accepted"),
            ]
        assert sorted(modbus.writes) == [(17, [1, 1]), (17, [1, 1])]
    finally:
        await modbus.stop()


@awaited
async def test_a_registry_that_is_no_text_or_cannot_be_read_is_told_of(tmp_path: Path) -> None:
    modbus = PymodbusGateway({17: 5, 18: 6})
    await modbus.start()
    try:
        with capture_logs() as logs:
            async with collecting(tmp_path, polled("G01", modbus.port, 17)) as collector:
                collector.path.write_bytes(b'{"sites": [{"site": "\xff"}]}')
                while len([line for line in logs if line["log_level"] == "error"]) < 1:
                    await collector.round_of("G01")
                collector.path.unlink()
                collector.path.mkdir()
                while len([line for line in logs if line["log_level"] == "error"]) < 2:
                    await collector.round_of("G01")
                collector.path.rmdir()
                collector.write(polled("G01", modbus.port, 17, 18))
                while set(await collector.round_of("G01")) != {17, 18}:
                    pass
    finally:
        await modbus.stop()
