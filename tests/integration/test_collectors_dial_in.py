"""Gateways that dial in, over real sockets: registration, DL/T645 in pieces and junk, answers that are not ours."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest

from collectors.gateways.dial_in_line import DialInLine, DialInListener
from collectors.gateways.line import Action, Item, LineAway, LineError, NoAnswer, Refused
from collectors.gateways.pace import Pace
from collectors.registry import read_registry
from collectors.wire import acrel4g, dlt645
from collectors.wire.answers import read_register, read_supply
from collectors.wire.dlt645 import ANSWER, READ, RELAY, Dlt645Frame
from infra.ports import HOST
from streams.core.outcome import Supply
from tests.integration.collector_lines import (
    DEADLINE,
    ENERGY,
    Dlt645Meter,
    ScriptedGateway,
    allowed,
    awaited,
    dialling,
    driven,
    frames_of,
    meter_at,
)

ONE, OTHER = 151230011061, 123456789012
NAME = b"SLUICE-S1-G02"
LONGER = b"SLUICE-S1-G021"
HEARTBEAT = b"SLUICE-HEARTBEAT"
INTERVAL_S = 2.0
"""Long enough for a gateway to call again, and short enough to wait for."""


@contextlib.asynccontextmanager
async def listening(timeout_s: float = 5.0) -> AsyncIterator[tuple[int, DialInLine, DialInLine]]:
    """A listener for two gateways, one of whose registrations begins with the other's; its port and their lines."""
    lines = {name.decode(): DialInLine(timeout_s=timeout_s) for name in (NAME, LONGER)}
    listener = DialInListener(lines, register_s=5.0, settle_s=0.05)
    port = await listener.start(HOST, 0)
    try:
        yield port, lines[NAME.decode()], lines[LONGER.decode()]
    finally:
        await listener.stop()


def meter(address: int = ONE) -> Dlt645Meter:
    return Dlt645Meter(f"{address:012d}", counts=123_456)


def wh(frame: bytes, address: int = ONE) -> int:
    return read_register(frame, meter_at(address, "dlt645-2007").template, address)


ASKED = meter_at(ONE, "dlt645-2007")


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([NAME], id="alone"),
        pytest.param([NAME + b"\r\n"], id="with a line end"),
        pytest.param([b"SLUI", b"CE-S1-G", b"02"], id="in pieces"),
        pytest.param([NAME + HEARTBEAT], id="with a heartbeat behind it"),
        pytest.param([NAME, HEARTBEAT], id="then a heartbeat"),
    ],
)
@awaited
async def test_a_gateway_is_known_by_its_registration(pieces: list[bytes]) -> None:
    async with listening() as (port, line, other):
        gateway = ScriptedGateway.of_meters(meter())
        await gateway.call(port, *pieces)
        await line.connected.wait()
        assert not other.connected.is_set()
        assert wh(await line.ask(ASKED, Item.ENERGY)) == 1_234_560
        await gateway.hang_up()


@awaited
async def test_a_registration_that_begins_like_another_is_itself() -> None:
    async with listening() as (port, line, other):
        gateway = ScriptedGateway.of_meters(meter())
        await gateway.call(port, NAME, b"1")
        await other.connected.wait()
        assert not line.connected.is_set()
        await gateway.hang_up()


@pytest.mark.parametrize("said", [b"SLUICE-S9-G01", b"GET / HTTP/1.1\r\n\r\n", b"\x68\x68\x16"])
@awaited
async def test_a_caller_that_nobody_knows_is_hung_up_on(said: bytes) -> None:
    async with listening() as (port, line, other):
        gateway = ScriptedGateway.of_meters(meter())
        await gateway.call(port, said)
        await gateway.ended.wait()
        assert not line.connected.is_set()
        assert not other.connected.is_set()
        await gateway.hang_up()


@pytest.mark.parametrize(
    "junk",
    [
        pytest.param(b"\r\n" * 2_100, id="line ends"),
        pytest.param(acrel4g.START + b"\x84" * 4_200, id="a frame that does not end"),
    ],
)
@awaited
async def test_a_caller_that_does_not_come_to_the_point_is_hung_up_on(junk: bytes) -> None:
    """And that long before its time is up."""
    lines = {NAME.decode(): DialInLine(), "20260302000000000017": DialInLine()}
    listener = DialInListener(lines, acrel=frozenset(["20260302000000000017"]), register_s=3_600.0)
    port = await listener.start(HOST, 0)
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(junk)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        assert not any(line.connected.is_set() for line in lines.values())
    finally:
        writer.close()
        await listener.stop()


@awaited
async def test_nothing_is_asked_before_the_gateway_has_called() -> None:
    async with listening() as (_, line, _other):
        with pytest.raises(LineAway):
            await line.ask(ASKED, Item.ENERGY)


@pytest.mark.parametrize("size", [1, 7, 1000], ids=["byte by byte", "in pieces", "at once"])
@awaited
async def test_an_answer_is_kept_verbatim_whatever_comes_with_it(size: int) -> None:
    """Preamble, heartbeats, a 68 that begins nothing and half an old frame before it, in pieces of any size."""
    answered: list[bytes] = []

    def script(request: Dlt645Frame) -> Iterable[bytes]:
        answered.append(meter().answer(request))
        junk = answered[-1][-5:] + HEARTBEAT + b"\x00\x68\x11\xfe\xfe\xfe\xfe"
        stream = junk + answered[-1] + HEARTBEAT
        return [stream[start : start + size] for start in range(0, len(stream), size)]

    async with listening() as (port, line, _):
        gateway = ScriptedGateway(script)
        await gateway.call(port, NAME)
        await line.connected.wait()
        assert [await line.ask(ASKED, item) for item in (Item.ENERGY, Item.RELAY)] == answered
        await gateway.hang_up()


def _answers_to_others(request: Dlt645Frame) -> list[bytes]:
    own = meter()
    return [
        meter(OTHER).answer(request),
        dlt645.encode_read_answer(own.address, 0x0002_0000, bytes(4)),
        dlt645.encode_frame(own.address, RELAY | ANSWER),
        dlt645.encode_frame(own.address, READ, request.data[:4]),
        meter(OTHER).refuse(READ),
    ]


@pytest.mark.parametrize(
    "index", range(5), ids=["other meter", "other identifier", "other service", "an echo", "other meter's refusal"]
)
@awaited
async def test_what_answers_something_else_is_never_taken(index: int) -> None:
    def script(request: Dlt645Frame) -> Iterable[bytes]:
        return [_answers_to_others(request)[index] + meter().answer(request)]

    def only_the_wrong_one(request: Dlt645Frame) -> Iterable[bytes]:
        return [_answers_to_others(request)[index]]

    async with listening(timeout_s=0.2) as (port, line, _):
        gateway = ScriptedGateway(script)
        await gateway.call(port, NAME)
        await line.connected.wait()
        assert wh(await line.ask(ASKED, Item.ENERGY)) == 1_234_560
        gateway.script = only_the_wrong_one
        with pytest.raises(NoAnswer):
            await line.ask(ASKED, Item.ENERGY)
        await gateway.hang_up()


@awaited
async def test_a_late_answer_of_another_meter_is_dropped(tmp_path: Path) -> None:
    """The first meter's answer comes only when the second is asked, ahead of the second's."""
    late: list[bytes] = []

    def script(request: Dlt645Frame) -> Iterable[bytes]:
        if request.address == f"{OTHER:012d}":
            late.append(meter(OTHER).answer(request))
            return []
        return [b"".join(late) + meter().answer(request)]

    plan = dialling(OTHER, ONE)
    async with listening(timeout_s=0.1) as (port, line, _):
        gateway = ScriptedGateway(script)
        await gateway.call(port, NAME)
        await line.connected.wait()
        async with driven(plan, line, tmp_path) as run:
            taken = await run.session.read(plan.meters)
        await gateway.hang_up()
    assert taken is not None
    assert {address: wh(frame, address) for address, frame in frames_of(taken, "energy").items()} == {ONE: 1_234_560}


@awaited
async def test_a_damaged_answer_is_asked_for_again(tmp_path: Path) -> None:
    def script(request: Dlt645Frame) -> Iterable[bytes]:
        answer = bytearray(meter().answer(request))
        answer[14] ^= len(gateway.heard) == 1
        return [bytes(answer)]

    plan = dialling(ONE)
    async with listening(timeout_s=0.1) as (port, line, _):
        gateway = ScriptedGateway(script)
        await gateway.call(port, NAME)
        await line.connected.wait()
        async with driven(plan, line, tmp_path) as run:
            taken = await run.session.read(plan.meters)
        await gateway.hang_up()
    assert taken is not None
    assert meter().answer(gateway.heard[0]) in frames_of(taken, "energy").values()
    assert [request.di for request in gateway.heard[:2]] == [ENERGY, ENERGY]


@awaited
async def test_a_refusal_is_no_reading_and_no_silence() -> None:
    async with listening() as (port, line, _):
        gateway = ScriptedGateway(lambda request: [meter().refuse(request.control)])
        await gateway.call(port, NAME)
        await line.connected.wait()
        with pytest.raises(Refused, match="NO_DATA"):
            await line.ask(ASKED, Item.ENERGY)
        await gateway.hang_up()


@awaited
async def test_a_silent_meter_leaves_the_others_read(tmp_path: Path) -> None:
    plan = dialling(OTHER, ONE)
    async with listening(timeout_s=0.05) as (port, line, _):
        gateway = ScriptedGateway.of_meters(meter())
        await gateway.call(port, NAME)
        await line.connected.wait()
        async with driven(plan, line, tmp_path) as run:
            taken = await run.session.read(plan.meters)
        await gateway.hang_up()
    assert taken is not None
    assert list(frames_of(taken, "energy")) == list(frames_of(taken, "relay")) == [ONE]


@awaited
async def test_a_gateway_that_calls_again_goes_on(tmp_path: Path) -> None:
    """It hangs up between two rounds, is away, and is read again under its registration once it has called."""
    plan = dialling(ONE)
    async with listening() as (port, line, _):
        first, second = ScriptedGateway.of_meters(meter()), ScriptedGateway.of_meters(meter())
        await first.call(port, NAME)
        async with driven(plan, line, tmp_path, pace=Pace(interval_s=0.01)) as run:
            assert list(frames_of(await run.next_round(), "energy")) == [ONE]
            await first.hang_up()
            with pytest.raises(LineError):
                await _ask_on(line)
            assert not line.connected.is_set()
            while not run.published.rounds.empty():
                await run.next_round()
            await second.call(port, NAME)
            assert list(frames_of(await run.next_round(), "energy")) == [ONE]
        assert second.heard
        await second.hang_up()


@awaited
async def test_a_round_that_lost_its_line_goes_on_when_the_gateway_has_called_again(tmp_path: Path) -> None:
    meters = {f"{number:012d}": meter(number) for number in (11, 12, 13)}
    silent = asyncio.Event()

    def script(request: Dlt645Frame) -> Iterable[bytes]:
        if int(request.address) == 12 and not silent.is_set():
            silent.set()
            return []
        return [meters[request.address].answer(request)]

    async with listening(timeout_s=30.0) as (port, line, _):
        gateway = ScriptedGateway(script)
        await gateway.call(port, NAME)
        await line.connected.wait()
        async with driven(dialling(11, 12, 13), line, tmp_path, pace=Pace(interval_s=INTERVAL_S)) as run:
            await silent.wait()
            await gateway.hang_up()
            assert set(frames_of(await run.next_round(), "energy")) == {11}
            await gateway.call(port, NAME)
            # Not all of them again, as in the next round, which is an interval away.
            assert set(frames_of(await run.next_round(), "energy")) == {12, 13}
            assert set(frames_of(await run.next_round(), "energy")) == {11, 12, 13}
        await gateway.hang_up()


@awaited
async def test_a_second_call_takes_the_place_of_the_first() -> None:
    """The gateway has lost its old connection without our knowing: the request that waits there fails at once."""
    async with listening(timeout_s=20) as (port, line, _):
        mute, alive = ScriptedGateway(lambda _: ()), ScriptedGateway.of_meters(meter())
        await mute.call(port, NAME)
        await line.connected.wait()
        waiting = asyncio.create_task(line.ask(ASKED, Item.ENERGY))
        await mute.spoken()
        await alive.call(port, NAME)
        with pytest.raises(LineError):
            await waiting
        await mute.ended.wait()
        assert wh(await line.ask(ASKED, Item.ENERGY)) == 1_234_560
        await alive.hang_up()
        await mute.hang_up()


@awaited
async def test_a_relay_command_carries_password_operator_and_deadline() -> None:
    async with listening() as (port, line, _):
        cut = meter()
        gateway = ScriptedGateway.of_meters(cut)
        await gateway.call(port, NAME)
        await line.connected.wait()
        accepted = await line.command(ASKED, Action.CUT, deadline=DEADLINE, claim=allowed)
        opened = await line.ask(ASKED, Item.RELAY)
        await line.command(ASKED, Action.RESTORE, deadline=DEADLINE, claim=allowed)
        closed = await line.ask(ASKED, Item.RELAY)
        await gateway.hang_up()
    assert accepted.hex(" ").upper() == "68 61 10 01 30 12 15 68 9C 00 35 16"
    assert gateway.heard[0].data.hex(" ").upper() == "02 00 00 00 00 00 00 00 1A 00 00 15 12 02 03 26"
    assert cut.relay_orders == [0x1A, 0x1C]
    assert [read_supply(frame, ASKED.template, ONE) for frame in (opened, closed)] == [Supply.OFF, Supply.ON]


@awaited
async def test_a_relay_command_carries_the_password_that_the_registry_has_for_the_meter(tmp_path: Path) -> None:
    path = tmp_path / "registry.json"
    entry = {"meter": "M1", "address": str(ONE), "template": "dlt645-2007", "operator": "00000007"}
    gateway = {"gateway": "G1", "link": "dial-in", "registration": "R", "password": "02563412", "meters": [entry]}
    path.write_text(json.dumps({"sites": [{"site": "S1", "gateways": [gateway]}]}))
    ((asked,),) = (plan.meters for plan in read_registry(path).gateways)
    async with listening() as (port, line, _):
        called = ScriptedGateway.of_meters(meter())
        await called.call(port, NAME)
        await line.connected.wait()
        await line.command(asked, Action.CUT, deadline=DEADLINE, claim=allowed)
        await called.hang_up()
    assert called.heard[0].data[:8].hex(" ").upper() == "02 56 34 12 00 00 00 07"


async def _ask_on(line: DialInLine) -> None:
    """Ask until it fails."""
    while True:
        await line.ask(ASKED, Item.ENERGY)
