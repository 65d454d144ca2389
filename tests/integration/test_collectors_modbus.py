"""Polled gateways over real sockets: pymodbus on the other side, and a peer that answers late, in pieces or never."""

import asyncio
import contextlib
import errno
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

import pytest

from collectors.gateways.line import Action, Item, LineAway, LineError, NoAnswer, Refused, Withdrawn
from collectors.gateways.modbus_line import ModbusLine
from collectors.gateways.pace import Pace
from collectors.registry import MeterOnLine
from collectors.wire import modbus
from collectors.wire.answers import read_register, read_supply
from collectors.wire.modbus import ModbusCutter, ModbusFrame
from infra.ports import HOST, free_ports
from streams.core.outcome import Supply
from tests.integration.collector_lines import (
    DEADLINE,
    NOON_MS,
    SELDOM,
    PymodbusGateway,
    allowed,
    awaited,
    driven,
    frames_of,
    meter_at,
    polled,
)

Answer = Callable[[ModbusFrame], Iterable[bytes]]


@contextlib.asynccontextmanager
async def pymodbus(units: dict[int, int]) -> AsyncIterator[PymodbusGateway]:
    gateway = PymodbusGateway(units)
    await gateway.start()
    try:
        yield gateway
    finally:
        await gateway.stop()


@contextlib.asynccontextmanager
async def peer(answer: Answer) -> AsyncIterator[int]:
    """A gateway that answers each request with chunks; a chunk that is empty hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        cutter = ModbusCutter()
        with contextlib.closing(writer), contextlib.suppress(ConnectionError):
            while data := await reader.read(4096):
                for frame in cutter.feed(data):
                    for chunk in answer(modbus.decode_frame(frame)):
                        if not chunk:
                            return
                        writer.write(chunk)
                        await writer.drain()
                        await asyncio.sleep(0)

    server = await asyncio.start_server(serve, HOST, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def energy(request: ModbusFrame, counts: int) -> bytes:
    return modbus.encode_read_answer(request.transaction, request.unit, (counts >> 16, counts & 0xFFFF))


@awaited
async def test_a_round_holds_the_bytes_that_pymodbus_sent(tmp_path: Path) -> None:
    meters = (meter_at(1), meter_at(17, "dtsy1352"), meter_at(200))
    async with pymodbus({1: 100_000, 17: 7}) as gateway:
        line = ModbusLine(HOST, gateway.port)
        async with driven(polled(gateway.port, *meters), line, tmp_path) as run:
            gateway.control[17] = [1, 1]
            taken = await run.session.read(meters)
            assert taken is not None
    assert (taken.site, taken.gateway, taken.collected_at) == ("S1", "S1-G01", NOON_MS)
    registers, relays = frames_of(taken, "energy"), frames_of(taken, "relay")
    assert registers.keys() == relays.keys() == {1, 17}, "unit 200 is not there: the gateway answers 0B, no frame"
    assert {a: read_register(f, meter_at(a).template, a) for a, f in registers.items()} == {1: 1_000_000, 17: 70}
    assert read_supply(relays[17], meter_at(17).template, 17) is Supply.OFF
    for address, frame in registers.items():
        assert frame == modbus.encode_read_answer(
            int.from_bytes(frame[:2]), address, (gateway.counts[address] >> 16, gateway.counts[address] & 0xFFFF)
        )
    assert {block.template for block in taken.blocks} == {"ddsy1352", "dtsy1352"}
    assert all((block.read_at == NOON_MS).all() for block in taken.blocks)


@awaited
async def test_commands_write_the_control_words() -> None:
    async with pymodbus({5: 1}) as gateway:
        line = ModbusLine(HOST, gateway.port)
        for action in (Action.CUT, Action.RESTORE):
            await line.command(meter_at(5), action, deadline=DEADLINE, claim=allowed)
        await line.close()
        assert gateway.writes == [(5, [1, 1]), (5, [1, 0])]


@pytest.mark.parametrize("size", [1, 4, 13], ids=["byte by byte", "in pieces", "at once"])
@awaited
async def test_an_answer_may_come_in_pieces(size: int) -> None:
    def answer(request: ModbusFrame) -> Iterable[bytes]:
        whole = energy(request, 26)
        return [whole[start : start + size] for start in range(0, len(whole), size)]

    async with peer(answer) as port:
        line = ModbusLine(HOST, port)
        frame = await line.ask(meter_at(3), Item.ENERGY)
        await line.close()
    assert read_register(frame, meter_at(3).template, 3) == 260


@awaited
async def test_answers_to_other_requests_are_dropped() -> None:
    """A late answer (old transaction), one of another unit, one to a write, then the right one, all in one piece."""

    def answer(request: ModbusFrame) -> Iterable[bytes]:
        late = modbus.encode_read_answer(request.transaction - 1, request.unit, (0, 1))
        other = modbus.encode_read_answer(request.transaction, request.unit + 1, (0, 2))
        written = bytes.fromhex(f"{request.transaction:04x}0000 0006 {request.unit:02x} 10 0057 0002")
        yield late + other + written + energy(request, 3)

    async with peer(answer) as port:
        line = ModbusLine(HOST, port)
        frame = await line.ask(meter_at(3), Item.ENERGY)
        await line.close()
    assert read_register(frame, meter_at(3).template, 3) == 30


@awaited
async def test_a_late_answer_is_not_taken_for_the_next_one() -> None:
    """The meter answers only when it is asked a second time, and then both requests, the first one first."""
    held: list[bytes] = []

    def answer(request: ModbusFrame) -> Iterable[bytes]:
        held.append(energy(request, len(held) + 1))
        return held if len(held) == 2 else ()

    async with peer(answer) as port:
        line = ModbusLine(HOST, port, timeout_s=0.05)
        with pytest.raises(NoAnswer):
            await line.ask(meter_at(3), Item.ENERGY)
        frame = await line.ask(meter_at(3), Item.ENERGY)
        await line.close()
    assert read_register(frame, meter_at(3).template, 3) == 20


@pytest.mark.parametrize(
    ("code", "error"),
    [(0x0B, NoAnswer), (0x0A, NoAnswer), (0x02, Refused), (0x06, Refused)],
    ids=["meter silent", "no path", "no such word", "busy"],
)
@awaited
async def test_exceptions_say_whether_the_meter_was_there(code: int, error: type[LineError]) -> None:
    def answer(request: ModbusFrame) -> Iterable[bytes]:
        head = request.transaction.to_bytes(2) + bytes([0, 0, 0, 3, request.unit])
        return [head + bytes([request.function | 0x80, code])]

    async with peer(answer) as port:
        line = ModbusLine(HOST, port)
        with pytest.raises(error):
            await line.ask(meter_at(3), Item.ENERGY)
        await line.close()


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\n"], ids=["hung up", "no Modbus"])
@awaited
async def test_a_broken_connection_is_opened_anew(tmp_path: Path, said: bytes) -> None:
    requests = 0

    def answer(request: ModbusFrame) -> Iterable[bytes]:
        nonlocal requests
        requests += 1
        return [said] if requests == 1 else [energy(request, 4)]

    async with peer(answer) as port:
        line = ModbusLine(HOST, port)
        async with driven(polled(port, meter_at(3)), line, tmp_path) as run:
            taken = await run.session.read([meter_at(3)])
    assert taken is not None
    assert list(frames_of(taken, "energy")) == [3], "the second try of the same meter was on a new connection"


@awaited
async def test_a_command_is_not_lost_in_a_connection_that_the_gateway_has_ended() -> None:
    written: list[int] = []

    def answer(request: ModbusFrame) -> Iterable[bytes]:
        if request.function == modbus.WRITE_MULTIPLE:
            written.append(request.unit)
            return [bytes.fromhex(f"{request.transaction:04x}0000 0006 {request.unit:02x} 10 0057 0002")]
        return [energy(request, 4), b""]

    async with peer(answer) as port:
        line = ModbusLine(HOST, port)
        await line.ask(meter_at(3), Item.RELAY)
        assert line._streams is not None
        assert await line._streams[0].read() == b"", "the gateway hangs up after its answer"
        await line.command(meter_at(3), Action.CUT, deadline=DEADLINE, claim=allowed)
        await line.close()
    assert written == [3]


@awaited
async def test_a_command_is_not_claimed_while_the_gateway_is_away() -> None:
    (port,) = free_ports(1)
    claims: list[bool] = []

    def claim() -> bool:
        claims.append(True)
        return True

    with pytest.raises(LineAway):
        await ModbusLine(HOST, port).command(meter_at(3), Action.CUT, deadline=DEADLINE, claim=claim)
    assert not claims


@awaited
async def test_a_command_that_is_given_up_at_the_line_is_not_written() -> None:
    async with pymodbus({5: 1}) as gateway:
        line = ModbusLine(HOST, gateway.port)
        with pytest.raises(Withdrawn):
            await line.command(meter_at(5), Action.CUT, deadline=DEADLINE, claim=lambda: False)
        await line.command(meter_at(5), Action.RESTORE, deadline=DEADLINE, claim=allowed)
        await line.close()
        assert gateway.writes == [(5, [1, 0])]


@awaited
async def test_a_connection_that_the_kernel_gave_up_is_opened_anew() -> None:
    """The other end has lost its power: the kernel's time-out is no meter's silence."""
    async with peer(lambda request: [energy(request, 4)]) as port:
        line = ModbusLine(HOST, port)
        await line.ask(meter_at(3), Item.ENERGY)
        assert line._streams is not None
        line._streams[0].set_exception(TimeoutError(errno.ETIMEDOUT, "Connection timed out"))
        with pytest.raises(LineError, match="connection lost"):
            await line.ask(meter_at(3), Item.ENERGY)
        assert read_register(await line.ask(meter_at(3), Item.ENERGY), meter_at(3).template, 3) == 40
        await line.close()


@awaited
async def test_a_gateway_that_is_away_is_read_once_it_is_there(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    line = ModbusLine(HOST, port)
    with pytest.raises(LineAway):
        await line.ask(meter_at(1), Item.ENERGY)
    pace = Pace(interval_s=0.02)
    async with driven(polled(port, meter_at(1)), line, tmp_path, pace=pace) as run:
        gateway = PymodbusGateway({1: 12})
        gateway.port = port
        await gateway.start()
        taken = await run.next_round()
        await gateway.stop()
    assert list(frames_of(taken, "energy")) == [1]


@awaited
async def test_a_silent_gateway_does_not_disturb_another(tmp_path: Path) -> None:
    async with peer(lambda _: ()) as silent, pymodbus({1: 12}) as gateway:
        mute = ModbusLine(HOST, silent, timeout_s=20)
        (tmp_path / "mute").mkdir()
        async with driven(polled(silent, meter_at(1)), mute, tmp_path / "mute", pace=Pace(interval_s=0.001)):
            good = ModbusLine(HOST, gateway.port)
            async with driven(polled(gateway.port, meter_at(1)), good, tmp_path, pace=Pace(interval_s=0.01)) as run:
                rounds = [await run.next_round() for _ in range(3)]
    assert [list(frames_of(taken, "energy")) for taken in rounds] == [[1]] * 3


@awaited
async def test_rounds_follow_the_interval_and_time_is_the_clocks(tmp_path: Path) -> None:
    async with pymodbus({1: 12}) as gateway:
        line = ModbusLine(HOST, gateway.port)
        async with driven(polled(gateway.port, meter_at(1)), line, tmp_path, pace=Pace(interval_s=0.01)) as run:
            first = await run.next_round()
            run.clock.at_ms += 300_000
            while (later := await run.next_round()).collected_at == first.collected_at:
                pass
    assert later.collected_at == NOON_MS + 300_000
    assert later.blocks[0].read_at.tolist() == [NOON_MS + 300_000]


@awaited
async def test_a_command_comes_between_two_reads_of_a_round(tmp_path: Path) -> None:
    """With 40 meters to read, a cut does not wait for the end of the round."""
    meters = [meter_at(unit) for unit in range(1, 41)]
    heard: list[ModbusFrame] = []
    at_third = asyncio.Event()

    def answer(request: ModbusFrame) -> Iterable[bytes]:
        heard.append(request)
        if len(heard) == 3:
            at_third.set()
        if request.function == modbus.WRITE_MULTIPLE:
            yield bytes.fromhex(f"{request.transaction:04x}0000 0006 {request.unit:02x} 10 0057 0002")
        else:
            yield energy(request, 4)

    async with peer(answer) as port:
        line = ModbusLine(HOST, port)
        async with driven(polled(port, *meters), line, tmp_path, pace=SELDOM):
            reading = asyncio.create_task(_read_all(line, meters))
            await at_third.wait()
            await line.command(meters[39], Action.CUT, deadline=DEADLINE, claim=allowed)
            place = [request.function for request in heard].index(modbus.WRITE_MULTIPLE)
            await reading
    assert place < 10
    assert len(heard) == 41


async def _read_all(line: ModbusLine, meters: list[MeterOnLine]) -> None:
    for meter in meters:
        await line.ask(meter, Item.ENERGY)
