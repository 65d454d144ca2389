"""Commands on the line: at once, at most once a sequence, also across a restart; never after their time."""

import asyncio
import contextlib
import dataclasses
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from collectors.gateways.command import Command, CommandBook, CommandError, read_command
from collectors.gateways.dial_in_line import DialInLine, DialInListener
from collectors.gateways.line import Item, LineError
from collectors.gateways.unsupported import why_unsupported
from collectors.wire.answers import read_supply
from collectors.wire.dlt645 import READ, RELAY, Dlt645Frame
from collectors.wire.round import Round
from infra.ports import HOST
from streams.core.localtime import format_time
from streams.core.outcome import Supply
from tests.integration.collector_lines import (
    ENERGY,
    NOON_MS,
    STATUS_WORD_3,
    WAIT_S,
    Dlt645Meter,
    ScriptedGateway,
    SetClock,
    awaited,
    dialling,
    driven,
    frames_of,
    meter_at,
)

ADDRESS = 151230011061
PLAN = dialling(ADDRESS)
METER = PLAN.meters[0]
LIFE_MS = 15 * 60_000
TRIP, CLOSE = 0x1A, 0x1C


def fields(sequence: int, action: str = "cut", *, issued_ms: int = NOON_MS) -> dict[str, Any]:
    return {
        "v": 1,
        "site": "S1",
        "gateway": PLAN.gateway,
        "meter": METER.meter,
        "address": str(ADDRESS),
        "template": "dlt645-2007",
        "sequence": sequence,
        "action": action,
        "reason": "arrears",
        "repeat": False,
        "issued_at": format_time(issued_ms),
        "expires_at": format_time(issued_ms + LIFE_MS),
    }


def command(sequence: int, action: str = "cut", *, issued_ms: int = NOON_MS) -> Command:
    return read_command(msgspec.json.encode(fields(sequence, action, issued_ms=issued_ms)))


class Bench:
    """One meter behind a gateway that has dialled in."""

    def __init__(self, *, timeout_s: float = 0.1) -> None:
        self.meter = Dlt645Meter(f"{ADDRESS:012d}", counts=1)
        self.gateway = ScriptedGateway.of_meters(self.meter)
        self.line = DialInLine(timeout_s=timeout_s)
        self._listener = DialInListener({PLAN.registration: self.line})
        self.port = 0

    async def __aenter__(self) -> "Bench":
        self.port = await self._listener.start(HOST, 0)
        await self.call()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.gateway.hang_up()
        await self._listener.stop()

    async def call(self) -> None:
        await self.gateway.call(self.port, PLAN.registration.encode())
        await self.line.connected.wait()

    def relay_orders(self) -> list[int]:
        """What the line has heard of relay orders, answered or not."""
        return [request.data[8] for request in self.gateway.heard if request.control == RELAY]


def supply_of(taken: Round) -> Supply:
    (frame,) = frames_of(taken, "relay").values()
    return read_supply(frame, METER.template, ADDRESS)


@awaited
async def test_a_command_is_carried_out_and_its_meter_read_again(tmp_path: Path) -> None:
    async with Bench() as bench, driven(PLAN, bench.line, tmp_path) as run:
        run.session.order(command(1))
        taken = await run.next_round()
        assert list(frames_of(taken, "energy")) == [ADDRESS]
        assert supply_of(taken) is Supply.OFF
        run.session.order(command(2, "restore"))
        assert supply_of(await run.next_round()) is Supply.ON
        assert bench.relay_orders() == [TRIP, CLOSE]


@awaited
async def test_a_sequence_goes_out_once_also_across_a_restart(tmp_path: Path) -> None:
    async with Bench() as bench:
        async with driven(PLAN, bench.line, tmp_path) as run:
            run.session.order(command(5))
            await run.next_round()
            run.session.order(command(5))
            run.session.order(command(6, "restore"))
            await run.next_round()
        await bench.gateway.hang_up()
        await bench.call()
        async with driven(PLAN, bench.line, tmp_path) as run:
            for sequence in (4, 5, 6):
                run.session.order(command(sequence))
            run.session.order(command(7))
            await run.next_round()
        assert bench.relay_orders() == [TRIP, CLOSE, TRIP]


@awaited
async def test_an_expired_command_is_ignored_by_the_injected_clock(tmp_path: Path) -> None:
    clock = SetClock(NOON_MS + LIFE_MS)
    async with Bench() as bench, driven(PLAN, bench.line, tmp_path, clock=clock) as run:
        run.session.order(command(1))
        run.session.order(command(2, issued_ms=NOON_MS + 1))
        await run.next_round()
        assert bench.relay_orders() == [TRIP]
        assert run.book.sent("S1", METER.meter) == 2


@awaited
async def test_a_command_waits_for_a_gateway_that_is_away(tmp_path: Path) -> None:
    async with Bench() as bench, driven(PLAN, bench.line, tmp_path) as run:
        await bench.gateway.hang_up()
        await bench.line.close()
        run.session.order(command(1))
        await bench.call()
        assert supply_of(await run.next_round()) is Supply.OFF
        assert bench.relay_orders() == [TRIP]


@awaited
async def test_a_command_for_a_silent_meter_waits_through_a_restart_and_goes_out_once(tmp_path: Path) -> None:
    """While the meter does not answer, nothing is put down as sent; what was not sent comes again from the topic."""
    async with Bench() as bench:
        answer = bench.gateway.script
        bench.gateway.script = lambda _: ()
        async with driven(PLAN, bench.line, tmp_path) as run:
            run.session.order(command(1))
            await bench.gateway.spoken()
            await bench.gateway.spoken()
            assert run.book.sent("S1", METER.meter) == 0
        await bench.gateway.hang_up()
        await bench.call()
        async with driven(PLAN, bench.line, tmp_path) as run:
            run.session.order(command(1))
            await bench.gateway.spoken()
            bench.gateway.script = answer
            assert supply_of(await run.next_round()) is Supply.OFF
        assert bench.relay_orders() == [TRIP]


@awaited
async def test_a_command_whose_answer_is_lost_is_not_sent_again(tmp_path: Path) -> None:
    async with Bench() as bench, driven(PLAN, bench.line, tmp_path) as run:
        answer = bench.gateway.script

        def lossy(request: Dlt645Frame) -> Iterable[bytes]:
            said = list(answer(request))
            return [] if request.control == RELAY else said

        bench.gateway.script = lossy
        run.session.order(command(1))
        assert supply_of(await run.next_round()) is Supply.OFF, "the read afterwards tells that it was done"
        run.session.order(command(1))
        run.session.order(command(2, "restore"))
        assert supply_of(await run.next_round()) is Supply.ON
        assert bench.relay_orders() == [TRIP, CLOSE]


@awaited
async def test_a_meter_that_does_not_tell_its_relay_is_commanded_all_the_same(tmp_path: Path) -> None:
    async with Bench() as bench, driven(PLAN, bench.line, tmp_path) as run:
        answer = bench.gateway.script

        def untold(request: Dlt645Frame) -> Iterable[bytes]:
            return [bench.meter.refuse(READ)] if request.di == STATUS_WORD_3 else answer(request)

        bench.gateway.script = untold
        run.session.order(command(1))
        assert frames_of(await run.next_round(), "relay") == {}
        assert bench.relay_orders() == [TRIP]


@awaited
async def test_a_refused_command_is_not_sent_again(tmp_path: Path) -> None:
    async with Bench() as bench, driven(PLAN, bench.line, tmp_path) as run:
        answer = bench.gateway.script

        def refusing(request: Dlt645Frame) -> Iterable[bytes]:
            return [bench.meter.refuse(RELAY, 0x04)] if request.control == RELAY else answer(request)

        bench.gateway.script = refusing
        run.session.order(command(1))
        assert supply_of(await run.next_round()) is Supply.ON
        assert run.book.sent("S1", METER.meter) == 1
        assert bench.relay_orders() == [TRIP]


@awaited
async def test_a_later_command_takes_the_place_of_one_that_waits(tmp_path: Path) -> None:
    async with Bench() as bench, driven(PLAN, bench.line, tmp_path) as run:
        await bench.gateway.hang_up()
        await bench.line.close()
        for sequence, action in ((1, "cut"), (3, "restore"), (2, "cut")):
            run.session.order(command(sequence, action))
        await bench.call()
        await run.next_round()
        assert bench.relay_orders() == [CLOSE]


@awaited
async def test_a_command_for_a_meter_that_is_not_here_is_passed_over(tmp_path: Path) -> None:
    async with Bench() as bench, driven(PLAN, bench.line, tmp_path) as run:
        run.session.order(msgspec.structs.replace(command(1), meter="M0", address="7"))
        run.session.order(command(1))
        await run.next_round()
        assert bench.relay_orders() == [TRIP]
        assert run.book.sent("S1", "M0") == 0


@awaited
async def test_a_command_that_is_overtaken_while_its_meter_is_looked_for_is_not_sent(tmp_path: Path) -> None:
    async with Bench() as bench, driven(PLAN, bench.line, tmp_path) as run:
        answer = bench.gateway.script

        def overtaken(request: Dlt645Frame) -> Iterable[bytes]:
            bench.gateway.script = answer
            run.session.order(command(2, "restore"))
            return answer(request)

        bench.gateway.script = overtaken
        run.session.order(command(1))
        assert supply_of(await run.next_round()) is Supply.ON
        assert bench.relay_orders() == [CLOSE]


@awaited
async def test_a_command_that_expires_while_its_meter_is_looked_for_is_not_sent(tmp_path: Path) -> None:
    async with Bench() as bench, driven(PLAN, bench.line, tmp_path) as run:
        answer = bench.gateway.script

        def late(request: Dlt645Frame) -> Iterable[bytes]:
            bench.gateway.script = answer
            run.clock.at_ms += LIFE_MS
            return answer(request)

        bench.gateway.script = late
        run.session.order(command(1))
        await bench.gateway.spoken()
        run.session.order(command(2, issued_ms=run.clock.at_ms))
        await run.next_round()
        assert bench.relay_orders() == [TRIP]
        assert run.book.sent("S1", METER.meter) == 2


@awaited
async def test_a_command_of_another_site_is_not_for_this_gateways_meter(tmp_path: Path) -> None:
    async with Bench() as bench, driven(PLAN, bench.line, tmp_path) as run:
        run.session.order(msgspec.structs.replace(command(99, "cut"), site="S2"))
        run.session.order(command(1, "restore"))
        await run.next_round()
        assert bench.relay_orders() == [CLOSE]
        assert (run.book.sent("S2", METER.meter), run.book.sent("S1", METER.meter)) == (0, 1)


@awaited
async def test_a_meter_that_was_replaced_is_found_by_its_address(tmp_path: Path) -> None:
    """The ledger knows its new id at once, the registry only when somebody writes it there."""
    async with Bench() as bench, driven(PLAN, bench.line, tmp_path) as run:
        run.session.order(msgspec.structs.replace(command(1), meter="its-successor"))
        assert supply_of(await run.next_round()) is Supply.OFF
        run.session.order(msgspec.structs.replace(command(1), template="ddsy1352"))
        run.session.order(msgspec.structs.replace(command(2, "restore"), address=""))
        assert supply_of(await run.next_round()) is Supply.ON
        assert bench.relay_orders() == [TRIP, CLOSE]


@awaited
async def test_a_command_that_is_overtaken_while_the_line_is_busy_is_not_sent(tmp_path: Path) -> None:
    """Its meter was found; then a round had the line, and meanwhile the tenant paid."""
    async with Bench() as bench, driven(PLAN, bench.line, tmp_path) as run:
        answer = bench.gateway.script
        rounds: list[asyncio.Task[bytes]] = []

        def busy(request: Dlt645Frame) -> Iterable[bytes]:
            if not rounds:
                # It takes its place in the queue for the line now, so before the command.
                rounds.append(asyncio.create_task(bench.line.ask(METER, Item.ENERGY)))
            elif request.di == ENERGY:
                bench.gateway.script = answer
                run.session.order(command(2, "restore"))
            return answer(request)

        bench.gateway.script = busy
        run.session.order(command(1))
        assert supply_of(await run.next_round()) is Supply.ON
        assert bench.relay_orders() == [CLOSE]
        await rounds[0]


@awaited
async def test_a_command_whose_line_breaks_before_it_is_sent_waits_on_and_does_not_count_as_sent(
    tmp_path: Path,
) -> None:
    async with Bench(timeout_s=WAIT_S) as bench, driven(PLAN, bench.line, tmp_path) as run:
        answer = bench.gateway.script
        tasks: list[asyncio.Task[Any]] = []

        def leaving(request: Dlt645Frame) -> Iterable[bytes]:
            if not tasks:
                tasks.append(asyncio.create_task(bench.line.ask(METER, Item.ENERGY)))
                return answer(request)
            # The command is behind this reading in the queue for the line.
            bench.gateway.script = answer
            tasks.append(asyncio.create_task(bench.gateway.hang_up()))
            return ()

        bench.gateway.script = leaving
        run.session.order(command(4))
        while not tasks:
            await bench.gateway.spoken()
        with pytest.raises(LineError, match="connection lost"):
            await tasks[0]
        assert run.book.sent("S1", METER.meter) == 0
        await bench.call()
        assert supply_of(await run.next_round()) is Supply.OFF
        assert bench.relay_orders() == [TRIP]
        assert run.book.sent("S1", METER.meter) == 4


@awaited
async def test_a_command_to_the_meter_that_was_replaced_gives_way_to_its_successors(tmp_path: Path) -> None:
    async with Bench() as bench, driven(PLAN, bench.line, tmp_path) as run:
        await bench.gateway.hang_up()
        await bench.line.close()
        run.session.order(command(7))
        run.session.order(msgspec.structs.replace(command(1, "restore"), meter="its-successor"))
        await bench.call()
        assert supply_of(await run.next_round()) is Supply.ON
        run.session.order(msgspec.structs.replace(command(2, "restore"), meter="its-successor"))
        await run.next_round()
        assert bench.relay_orders() == [CLOSE, CLOSE]


@awaited
async def test_a_meter_that_the_registry_has_at_another_address_is_not_commanded(tmp_path: Path) -> None:
    """Ledger and registry contradict each other: whichever relay it were, it could be the wrong one."""
    other = meter_at(7, "dlt645-2007")
    plan = dialling(ADDRESS, other.address)
    async with Bench() as bench, driven(plan, bench.line, tmp_path) as run:
        with capture_logs() as logs:
            run.session.order(msgspec.structs.replace(command(9), meter=other.meter))
        assert [(line["log_level"], line["meter"], line["address"]) for line in logs] == [
            ("warning", other.meter, str(ADDRESS))
        ]
        run.session.order(command(1, "restore"))
        await run.next_round()
        assert bench.relay_orders() == [CLOSE]


@awaited
async def test_what_became_of_each_command_is_reported(tmp_path: Path) -> None:
    async with Bench() as bench, driven(PLAN, bench.line, tmp_path) as run:
        answer = bench.gateway.script

        def answering(relay: Iterable[bytes]) -> None:
            bench.gateway.script = lambda request: relay if request.control == RELAY else answer(request)

        run.session.order(command(1))
        await run.next_round()
        answering([bench.meter.refuse(RELAY, 0x04)])
        run.session.order(command(2))
        await run.next_round()
        answering([])
        run.session.order(command(3))
        await run.next_round()
        bench.gateway.script = answer
        # What comes again out of the topic: the one that was sent last, and one before it.
        run.session.order(command(3))
        run.session.order(command(5, issued_ms=NOON_MS - LIFE_MS))
        run.session.order(command(4))
        run.session.order(command(6, "set_price"))
        run.session.order(msgspec.structs.replace(command(7), site="S2"))
        run.session.order(msgspec.structs.replace(command(8), meter="M-none", address="1"))
        run.session.order(command(9, "restore"))
        await run.next_round()
        told = [(1, "accepted"), (2, "refused"), (3, "unanswered")]
        assert run.reports[:3] == told
        assert sorted(run.reports[3:]) == [
            (3, "overtaken"),
            (4, "overtaken"),
            (5, "overtaken"),
            (6, "unsupported"),
            (7, "misplaced"),
            (8, "misplaced"),
            (9, "accepted"),
        ]


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("dtsy1352-dlt645", "security module"),
        ("dtsy1352-credit", "maker encrypts"),
        ("cjt188-water", "not public"),
        ("somebody's", 'no line here carries out recharge on a meter of template "somebody\'s"'),
    ],
)
def test_a_recharge_is_reported_with_what_keeps_it_from_being_sent(template: str, said: str) -> None:
    assert said in why_unsupported(msgspec.structs.replace(command(1, "recharge"), template=template))
    assert "by card" not in why_unsupported(msgspec.structs.replace(command(1, "retain"), template=template))


@awaited
async def test_what_was_sent_by_a_process_that_ended_is_unknown_and_what_is_too_old_expired(tmp_path: Path) -> None:
    reported: asyncio.Queue[tuple[int, str]] = asyncio.Queue()
    async with Bench() as bench, driven(PLAN, bench.line, tmp_path, reported=reported.put_nowait) as run:
        assert run.book.claim(command(1))
        run.session.order(command(1))
        assert await reported.get() == (1, "unknown")
        run.session.order(command(2, issued_ms=NOON_MS - LIFE_MS))
        assert await reported.get() == (2, "expired")
        assert bench.relay_orders() == []


@awaited
async def test_a_meter_without_a_relay_is_reported_and_not_commanded(tmp_path: Path) -> None:
    meter = dataclasses.replace(METER, template=dataclasses.replace(METER.template, relay=None))
    reported: asyncio.Queue[tuple[int, str]] = asyncio.Queue()
    async with Bench() as bench:
        waiting = dataclasses.replace(PLAN, meters=(meter,))
        async with driven(waiting, bench.line, tmp_path, reported=reported.put_nowait) as run:
            run.session.order(command(1))
            assert await reported.get() == (1, "unsupported")
            assert run.book.sent("S1", METER.meter) == 0
        assert bench.relay_orders() == []


def test_a_book_that_was_kept_by_meter_alone_goes_on_for_the_site_that_has_the_meter(tmp_path: Path) -> None:
    path = tmp_path / "commands.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as older, older:
        older.execute("CREATE TABLE sent (meter TEXT PRIMARY KEY, sequence INTEGER NOT NULL)")
        older.executemany("INSERT INTO sent VALUES (?, ?)", [("M1", 5), ("M2", 7), ("gone", 9)])
    for _ in range(2):
        book = CommandBook(path)
        book.adopt({"M1": "S1", "M2": "S2", "M3": "S1"})
        assert [book.sent("S1", "M1"), book.sent("S2", "M1"), book.sent("S2", "M2")] == [5, 0, 7]
        assert not book.claim(msgspec.structs.replace(command(5), meter="M1"))
        book.close()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"v": 2}, "version 2"),
        ({"action": "open"}, "action"),
        ({"sequence": "1"}, "sequence"),
        ({"meter": None}, "meter"),
    ],
    ids=["version", "action", "sequence", "meter"],
)
def test_a_record_that_is_no_command_says_why(change: dict[str, Any], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        read_command(msgspec.json.encode(fields(1) | change))
