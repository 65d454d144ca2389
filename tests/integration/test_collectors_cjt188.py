"""Water meters by CJ/T188 over real sockets: called and calling, other types and orders, late answers, valves."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from collectors.gateways.command import Command, read_command
from collectors.gateways.dial_in_line import DialInLine, DialInListener
from collectors.gateways.line import Action, Item, NoAnswer, Refused
from collectors.gateways.polled_line import PolledLine
from collectors.gateways.serial_line import SerialLine
from collectors.registry import GatewayPlan, MeterOnLine
from collectors.wire import cjt188
from collectors.wire.answers import read_register, read_supply
from collectors.wire.cjt188 import ABNORMAL, ANSWER, READ, VALVE_CLOSE, VALVE_OPEN, WRITE
from collectors.wire.templates import TEMPLATES
from infra.ports import HOST
from streams.core.localtime import format_time
from streams.core.outcome import Supply
from tests.integration.collector_lines import DEADLINE, NOON_MS, allowed, awaited, driven, frames_of, meter_at
from tests.integration.serial_buses import Hear, WaterBus, WaterMeter, calling, serving

ADDRESS, OTHER = 78331505900569, 19121301
NAME = "SLUICE-W1"
ASKED = meter_at(ADDRESS, "cjt188-water")
PLAN = GatewayPlan("S1", "W1", "dial-in", "", 0, NAME, (ASKED, meter_at(OTHER, "cjt188-water")))
LIFE_MS = 15 * 60_000


def water(address: int = ADDRESS, counts: int = 55_667_700) -> WaterMeter:
    return WaterMeter(f"{address:014d}", counts)


@contextlib.asynccontextmanager
async def called(hear: Hear, *, timeout_s: float) -> AsyncIterator[SerialLine]:
    async with serving(hear) as port:
        line = PolledLine(HOST, port, timeout_s=timeout_s)
        try:
            yield line
        finally:
            await line.close()


@contextlib.asynccontextmanager
async def dialled(hear: Hear, *, timeout_s: float) -> AsyncIterator[SerialLine]:
    line = DialInLine(timeout_s=timeout_s)
    listener = DialInListener({NAME: line})
    port = await listener.start(HOST, 0)
    try:
        async with calling(port, hear, NAME.encode()):
            await line.connected.wait()
            yield line
    finally:
        await listener.stop()


Reached = Callable[..., AbstractAsyncContextManager[SerialLine]]
LINKS = pytest.mark.parametrize("reached", [called, dialled], ids=["tcp", "dial-in"])


def litres(frame: bytes, meter: MeterOnLine = ASKED) -> int:
    return read_register(frame, meter.template, meter.address)


def supply(frame: bytes) -> Supply:
    return read_supply(frame, ASKED.template, ADDRESS)


@LINKS
@awaited
async def test_a_register_is_read_and_the_valve_obeys(reached: Reached) -> None:
    bus = WaterBus(water())
    async with reached(bus.hear, timeout_s=5) as line:
        assert litres(await line.ask(ASKED, Item.ENERGY)) == 556_677_000
        assert supply(await line.ask(ASKED, Item.RELAY)) is Supply.ON
        accepted = await line.command(ASKED, Action.CUT, deadline=DEADLINE, claim=allowed)
        # The acceptance tells the old state: it is no result.
        assert cjt188.decode_frame(accepted).body[0] & 3 == 0
        assert supply(await line.ask(ASKED, Item.RELAY)) is Supply.OFF
        await line.command(ASKED, Action.RESTORE, deadline=DEADLINE, claim=allowed)
        assert supply(await line.ask(ASKED, Item.RELAY)) is Supply.ON
    assert bus.meters[0].valve_orders == [VALVE_CLOSE, VALVE_OPEN]


@pytest.mark.parametrize("low_byte_first", [False, True], ids=["high byte first", "low byte first"])
@awaited
async def test_requests_keep_the_templates_order_and_answers_of_any_type_are_taken(low_byte_first: bool) -> None:
    meter = replace(ASKED, template=replace(ASKED.template, low_byte_first=low_byte_first))
    bus = WaterBus(replace(water(), answer_type=0x19))
    async with called(bus.hear, timeout_s=5) as line:
        assert litres(await line.ask(meter, Item.ENERGY)) == 556_677_000
    assert bus.heard[0].data[:2].hex() == ("1f90" if low_byte_first else "901f")


@pytest.mark.parametrize("size", [1, 7, 1000], ids=["byte by byte", "in pieces", "at once"])
@awaited
async def test_an_answer_is_found_in_junk_and_pieces(size: int) -> None:
    bus = WaterBus(water())

    def hear(chunk: bytes) -> Iterable[bytes]:
        answer = b"".join(bus.hear(chunk))
        # Half an old frame, a beginning that says it is long, and the preamble.
        stream = answer[-9:] + b"\x68\x10\x00\x68\x01\x02\x03\x04\x05\x81\x64" + b"\xfe\xfe" + answer
        return [stream[start : start + size] for start in range(0, len(stream), size)]

    async with called(hear, timeout_s=5) as line:
        assert [litres(await line.ask(ASKED, Item.ENERGY)) for _ in range(2)] == [556_677_000] * 2


@pytest.mark.parametrize("index", range(5), ids=["other meter", "older SER", "other service", "echo", "bad sum"])
@awaited
async def test_what_answers_something_else_is_never_taken(index: int) -> None:
    def hear(chunk: bytes) -> Iterable[bytes]:
        request = cjt188.decode_frame(chunk)
        good = water().answer(request)
        assert good is not None
        taken = cjt188.decode_frame(good)
        older = taken.data[:2] + bytes([(request.data[2] - 1) & 0xFF]) + taken.body
        wrong = [
            cjt188.encode_frame(0x10, f"{OTHER:014d}", taken.control, taken.data),
            cjt188.encode_frame(0x10, taken.address, taken.control, older),
            cjt188.encode_frame(0x10, taken.address, WRITE | ANSWER, taken.data),
            chunk,
            good[:15] + bytes([good[15] ^ 1]) + good[16:],
        ]
        return [wrong[index]]

    async with called(hear, timeout_s=0.1) as line:
        with pytest.raises(NoAnswer) as silent:
            await line.ask(ASKED, Item.ENERGY)
    assert len(silent.value.damaged) == (index == 4)


@awaited
async def test_a_refusal_tells_its_status() -> None:
    def hear(chunk: bytes) -> Iterable[bytes]:
        request = cjt188.decode_frame(chunk)
        data = bytes([request.data[2], 0x02, 0x00])
        return [cjt188.encode_frame(0x10, request.address, READ | ANSWER | ABNORMAL, data)]

    async with called(hear, timeout_s=5) as line:
        with pytest.raises(Refused, match="78331505900569 refuses: status 0200"):
            await line.ask(ASKED, Item.ENERGY)


@LINKS
@awaited
async def test_a_round_asks_each_meter_once_for_both_items(reached: Reached, tmp_path: Path) -> None:
    bus = WaterBus(water(), water(OTHER, 12))
    async with reached(bus.hear, timeout_s=5) as line, driven(PLAN, line, tmp_path) as run:
        taken = await run.session.read(PLAN.meters)
    assert taken is not None
    read = {meter.address: litres(frames_of(taken, "energy")[meter.address], meter) for meter in PLAN.meters}
    assert read == {ADDRESS: 556_677_000, OTHER: 120}
    assert frames_of(taken, "relay") == frames_of(taken, "energy")
    assert len(bus.heard) == 2


def command(sequence: int, action: str = "cut") -> Command:
    fields = {
        "v": 1,
        "site": PLAN.site,
        "gateway": PLAN.gateway,
        "meter": ASKED.meter,
        "address": str(ADDRESS),
        "template": "cjt188-water",
        "sequence": sequence,
        "action": action,
        "reason": "arrears",
        "repeat": False,
        "issued_at": format_time(NOON_MS),
        "expires_at": format_time(NOON_MS + LIFE_MS),
    }
    return read_command(msgspec.json.encode(fields))


@awaited
async def test_a_command_for_a_meter_that_is_away_goes_out_once_when_it_is_back_after_a_restart(tmp_path: Path) -> None:
    line = DialInLine(timeout_s=0.1)
    listener = DialInListener({NAME: line})
    port = await listener.start(HOST, 0)
    asked_in_vain, bus = asyncio.Queue[int](), WaterBus(water())

    def mute(chunk: bytes) -> Iterable[bytes]:
        asked_in_vain.put_nowait(cjt188.decode_frame(chunk).control)
        return []

    async with calling(port, mute, NAME.encode()):
        await line.connected.wait()
        async with driven(PLAN, line, tmp_path) as run:
            run.session.order(command(1))
            assert [await asked_in_vain.get() for _ in range(2)] == [READ, READ]
            assert run.book.sent("S1", ASKED.meter) == 0
    async with calling(port, bus.hear, NAME.encode()):
        await line.connected.wait()
        async with driven(PLAN, line, tmp_path) as run:
            run.session.order(command(1))
            taken = await run.next_round()
            run.session.order(command(1))
            run.session.order(command(2, "restore"))
            await run.next_round()
    await listener.stop()
    assert supply(frames_of(taken, "relay")[ADDRESS]) is Supply.OFF
    assert bus.meters[0].valve_orders == [VALVE_CLOSE, VALVE_OPEN]
    assert asked_in_vain.empty()


@awaited
async def test_a_meter_without_a_valve_is_read_and_never_commanded(tmp_path: Path) -> None:
    meter = replace(ASKED, template=replace(TEMPLATES["cjt188-water"], relay=None, status=None))
    plan = replace(PLAN, meters=(meter,))
    bus = WaterBus(water())
    async with called(bus.hear, timeout_s=5) as line, driven(plan, line, tmp_path) as run:
        taken = await run.session.read(plan.meters)
        assert taken is not None
        assert [block.item for block in taken.blocks] == ["energy"]
        with pytest.raises(Refused, match="no relay"):
            await line.command(meter, Action.CUT, deadline=DEADLINE, claim=allowed)
    assert bus.meters[0].valve_orders == []
