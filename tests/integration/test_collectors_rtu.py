"""Modbus RTU over TCP on real sockets: called, calling and in Acrel's 4G frames; a late answer is never another's."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import cast

import pytest

from collectors.gateways.dial_in_line import DialInLine, DialInListener
from collectors.gateways.dialects.modbus_rtu import LATE_S, ModbusRtuDialect
from collectors.gateways.line import Action, Item, LineAway, NoAnswer, Refused
from collectors.gateways.polled_line import PolledLine
from collectors.gateways.serial_line import SerialLine
from collectors.registry import GatewayPlan, MeterOnLine
from collectors.wire import acrel4g, modbus_rtu
from collectors.wire.acrel4g import HEARTBEAT, PASS_THROUGH, REGISTER, TIME, UPLOAD, Acrel4gCutter, encode_frame
from collectors.wire.answers import read_register, read_supply
from collectors.wire.modbus import READ_HOLDING
from collectors.wire.modbus_rtu import answer_size
from infra.ports import HOST
from streams.core.outcome import Supply
from tests.integration.collector_lines import DEADLINE, allowed, awaited, driven, frames_of, meter_at
from tests.integration.serial_buses import Hear, RtuBus, RtuMeter, calling, serving

ASKED, OTHER = meter_at(17), meter_at(18)
NAME = "SLUICE-R1"
SERIAL = "20260302000000000017"
PLAN = GatewayPlan("S1", "R1", "dial-in", "", 0, NAME, (ASKED, OTHER))
NOON = datetime(2026, 3, 2, 12)  # noqa: DTZ001  a meter's own clock


def bus() -> RtuBus:
    return RtuBus(RtuMeter(17, 0x0001_86A0), RtuMeter(18, 1_000))


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
        async with calling(port, hear, NAME.encode(), b"HEARTBEAT"):
            await line.connected.wait()
            yield line
    finally:
        await listener.stop()


class Acrel4gMeter:
    """Hands RTU through in its frames, with its serial number before each answer if it is told to."""

    def __init__(self, hear: Hear, prefix: bytes = b"") -> None:
        self._hear = hear
        self._prefix = prefix
        self._cutter = Acrel4gCutter()
        self.told: asyncio.Queue[acrel4g.Acrel4gFrame] = asyncio.Queue()

    def hear(self, chunk: bytes) -> Iterable[bytes]:
        for frame in self._cutter.feed(chunk):
            if frame.command != PASS_THROUGH:
                self.told.put_nowait(frame)
                continue
            for answer in self._hear(frame.payload):
                yield encode_frame(PASS_THROUGH, self._prefix + answer)


def registration(serial: str = SERIAL) -> bytes:
    return encode_frame(REGISTER, serial.encode().ljust(20, b"\0") + b"8" * 30 + bytes(8))


@contextlib.asynccontextmanager
async def listening_to_4g(timeout_s: float = 5) -> AsyncIterator[tuple[int, DialInLine]]:
    line = DialInLine(timeout_s=timeout_s)
    listener = DialInListener(
        {SERIAL: line, NAME: DialInLine()}, acrel=frozenset({SERIAL}), local_time=lambda: acrel4g.encode_time(NOON)
    )
    port = await listener.start(HOST, 0)
    try:
        yield port, line
    finally:
        await listener.stop()


@contextlib.asynccontextmanager
async def framed(hear: Hear, *, timeout_s: float) -> AsyncIterator[SerialLine]:
    meter = Acrel4gMeter(hear)
    async with listening_to_4g(timeout_s) as (port, line), calling(port, meter.hear, registration()):
        await line.connected.wait()
        yield line


Reached = Callable[..., AbstractAsyncContextManager[SerialLine]]
LINKS = pytest.mark.parametrize("reached", [called, dialled, framed], ids=["tcp", "dial-in", "acrel-4g"])


def wh(frame: bytes, meter: MeterOnLine = ASKED) -> int:
    return read_register(frame, meter.template, meter.address)


def supply(frame: bytes) -> Supply:
    return read_supply(frame, ASKED.template, ASKED.address)


@LINKS
@awaited
async def test_registers_are_read_and_the_relay_obeys(reached: Reached, tmp_path: Path) -> None:
    meters = bus()
    async with reached(meters.hear, timeout_s=5) as line, driven(PLAN, line, tmp_path) as run:
        taken = await run.session.read(PLAN.meters)
        assert taken is not None
        assert [wh(frames_of(taken, "energy")[meter.address], meter) for meter in PLAN.meters] == [1_000_000, 10_000]
        assert supply(frames_of(taken, "relay")[17]) is Supply.ON
        await line.command(ASKED, Action.CUT, deadline=DEADLINE, claim=allowed)
        assert supply(await line.ask(ASKED, Item.RELAY)) is Supply.OFF
        await line.command(ASKED, Action.RESTORE, deadline=DEADLINE, claim=allowed)
        assert supply(await line.ask(ASKED, Item.RELAY)) is Supply.ON
    assert meters.writes() == [bytes.fromhex("00010001"), bytes.fromhex("00010000")]


@LINKS
@pytest.mark.parametrize("late_by", [1, 2, 3], ids=["one request", "two requests", "three requests"])
@awaited
async def test_a_late_answer_is_never_taken_for_another_read(reached: Reached, late_by: int) -> None:
    """Register and relay have answers of one length: the late register would be a relay, the relay a register."""
    meters, held = bus(), list[bytes]()
    is_slow = True

    def hear(chunk: bytes) -> Iterable[bytes]:
        held.extend(meters.hear(chunk))
        ready = len(held) - late_by if is_slow else len(held)
        out, held[:] = held[: max(0, ready)], held[max(0, ready) :]
        return out

    async with reached(hear, timeout_s=0.1) as line:
        for item in (Item.ENERGY, Item.RELAY, Item.ENERGY, Item.RELAY):
            with pytest.raises(NoAnswer):
                await line.ask(ASKED, item)
        is_slow = False
        assert wh(await line.ask(ASKED, Item.ENERGY)) == 1_000_000
        assert supply(await line.ask(ASKED, Item.RELAY)) is Supply.ON
        assert wh(await line.ask(OTHER, Item.ENERGY), OTHER) == 10_000


@awaited
async def test_a_meter_that_refuses_the_fence_is_not_asked_until_no_answer_can_be_late() -> None:
    meters, mute = bus(), [True]

    def hear(chunk: bytes) -> Iterable[bytes]:
        answers = meters.hear(chunk)
        if int.from_bytes(meters.heard[-1].data[2:4], "big") != 2:
            return [modbus_rtu.encode_frame(17, 0x83, b"\x02")]
        return [] if mute.pop() else answers

    async with called(hear, timeout_s=0.1) as line:
        with pytest.raises(NoAnswer):
            await line.ask(ASKED, Item.ENERGY)
        with pytest.raises(NoAnswer, match="may still come"):
            await line.ask(ASKED, Item.RELAY)
    assert [request.data.hex() for request in meters.heard] == ["00000002", "00000001"]


@pytest.mark.parametrize("answered", [1, 2], ids=["the fence is silent", "the command is silent"])
@awaited
async def test_a_command_that_no_byte_of_went_out_can_still_be_sent(answered: int) -> None:
    """Its claim decides: one that was not asked for it waits, one that was is not known to have arrived."""
    meters, claims = bus(), []

    def hear(chunk: bytes) -> Iterable[bytes]:
        answers = meters.hear(chunk)
        return answers if len(meters.heard) == answered else []

    def claim() -> bool:
        claims.append(len(meters.heard))
        return True

    async with called(hear, timeout_s=0.1) as line:
        if answered == 2:
            with pytest.raises(NoAnswer):
                await line.ask(ASKED, Item.ENERGY)
            with pytest.raises(NoAnswer):
                await line.command(ASKED, Action.CUT, deadline=DEADLINE, claim=claim)
            assert claims == [2], "behind the fence"
            return
        await line.ask(ASKED, Item.ENERGY)
        with pytest.raises(NoAnswer):
            await line.ask(ASKED, Item.RELAY)
        with pytest.raises(LineAway, match="nothing was sent"):
            await line.command(ASKED, Action.CUT, deadline=DEADLINE, claim=claim)
    assert not claims
    assert [request.function for request in meters.heard] == [READ_HOLDING] * 3


def test_a_meter_that_stays_silent_is_asked_again_when_no_answer_can_be_late() -> None:
    dialect = ModbusRtuDialect()
    fences = []
    for now_s in range(15):
        try:
            fences.append(dialect.fence(ASKED, now_s))
        except NoAnswer:
            break
        dialect.note_silence(ASKED, now_s)
    sizes = [int.from_bytes(fence.request[4:6], "big") for fence in fences if fence is not None]
    assert fences[0] is None
    assert sizes == [1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    with pytest.raises(NoAnswer):
        dialect.fence(ASKED, len(sizes) + LATE_S - 1)
    assert dialect.fence(ASKED, len(sizes) + LATE_S) is None


def _wrong(index: int, good: bytes) -> bytes:
    words = (0, 7)
    return [
        modbus_rtu.encode_read_answer(18, words),
        modbus_rtu.encode_read_answer(17, (*words, 0)),
        modbus_rtu.encode_read_answer(17, words, function=4),
        modbus_rtu.encode_frame(17, 0x10, bytes(4)),
        good[:-1] + bytes([good[-1] ^ 1]),
    ][index]


@pytest.mark.parametrize("index", range(5), ids=["other unit", "other length", "other function", "a write", "bad CRC"])
@awaited
async def test_what_answers_something_else_is_never_taken(index: int) -> None:
    meters = bus()
    with_good = True

    def hear(chunk: bytes) -> Iterable[bytes]:
        (good,) = meters.hear(chunk)
        return [_wrong(index, good) + (good if with_good else b"")]

    async with called(hear, timeout_s=0.1) as line:
        assert wh(await line.ask(ASKED, Item.ENERGY)) == 1_000_000
        with_good = False
        with pytest.raises(NoAnswer):
            await line.ask(ASKED, Item.ENERGY)


@pytest.mark.parametrize("size", [1, 3, 1000], ids=["byte by byte", "in pieces", "at once"])
@awaited
async def test_an_answer_is_kept_verbatim_whatever_comes_with_it(size: int) -> None:
    meters, answered = bus(), list[bytes]()

    def hear(chunk: bytes) -> Iterable[bytes]:
        answered.extend(meters.hear(chunk))
        stream = b"HEARTBEAT" + answered[-1][3:] + b"\x11\x03\xfa" + answered[-1] + b"HEARTBEAT"
        return [stream[start : start + size] for start in range(0, len(stream), size)]

    async with called(hear, timeout_s=5) as line:
        assert [await line.ask(ASKED, item) for item in (Item.ENERGY, Item.RELAY)] == answered
    assert {len(frame) for frame in answered} == {answer_size(2)}


@awaited
async def test_an_exception_is_a_refusal() -> None:
    async with called(lambda _: [modbus_rtu.encode_frame(17, 0x83, b"\x02")], timeout_s=5) as line:
        with pytest.raises(Refused, match="unit 17 answers exception 02"):
            await line.ask(ASKED, Item.ENERGY)


@pytest.mark.parametrize("size", [1, 10, 1000], ids=["byte by byte", "in pieces", "at once"])
@awaited
async def test_a_4g_meter_is_registered_and_told_what_it_asks(size: int) -> None:
    """Its payload holds 7D7D; heartbeats want no answer; answers may carry the serial number."""
    meter = Acrel4gMeter(bus().hear, prefix=SERIAL.encode())
    upload = encode_frame(UPLOAD, SERIAL.encode() + b"[[\x11((\x7d\x7d\x00\x7b\x7b))]]")
    stream = registration() + encode_frame(HEARTBEAT) + upload + encode_frame(TIME, SERIAL.encode())
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
    async with listening_to_4g() as (port, line), calling(port, meter.hear, *pieces):
        told = [await meter.told.get() for _ in range(3)]
        assert [(frame.command, frame.payload.hex()) for frame in told] == [
            (REGISTER, ""),
            (UPLOAD, ""),
            (TIME, "1a0302010c0000"),
        ]
        await line.connected.wait()
        assert wh(await line.ask(ASKED, Item.ENERGY)) == 1_000_000


class Deaf:
    """The writer of a connection whose other end reads nothing."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.full, self.read = asyncio.Event(), asyncio.Event()
        self._socket = socket.socket()

    def write(self, data: bytes) -> None:
        self.written.append(data)

    async def drain(self) -> None:
        self.full.set()
        await self.read.wait()

    def get_extra_info(self, name: str) -> socket.socket:
        return self._socket

    def close(self) -> None:
        self._socket.close()

    async def wait_closed(self) -> None:
        """At once."""


@awaited
async def test_a_4g_meter_that_asks_on_and_reads_no_answer_is_not_listened_to() -> None:
    """Else its answers would fill the collector's memory."""
    line, reader, writer = DialInLine(), asyncio.StreamReader(), Deaf()
    question = encode_frame(TIME, SERIAL.encode())
    await line.attach(reader, cast("asyncio.StreamWriter", writer), acrel4g.Acrel4gEnvelope(lambda: bytes(7)))
    reader.feed_data(question)
    await writer.full.wait()
    reader.feed_data(question)
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(writer.written) == 1
    writer.full.clear()
    writer.read.set()
    await writer.full.wait()
    assert len(writer.written) == 2
    await line.close()


@pytest.mark.parametrize(
    "said",
    [registration("20260302000000000018"), registration()[:-3] + b"\0" + registration()[-2:], registration(NAME)],
    ids=["unknown serial number", "bad CRC", "a text's registration"],
)
@awaited
async def test_a_4g_meter_that_nobody_knows_gets_no_line(said: bytes) -> None:
    async with listening_to_4g() as (port, line):
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(said)
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
        assert not line.connected.is_set()
