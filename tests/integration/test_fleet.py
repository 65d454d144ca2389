"""The virtual property group as its own process, over its real sockets."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from pymodbus.client import ModbusTcpClient

from infra.endpoints import read_record, running
from infra.fleet.property import DEMO
from infra.fleet.truth import TruthClient
from infra.settings import Settings
from tests.conftest import ROOT, start_part, stop_part

HOUR_MS = 3_600_000
ENERGY = 0x0000
FORCED_CONTROL = 0x0057
READ = 0x11
RELAY = 0x1C
DI_ENERGY = "00 00 01 00"
DI_STATUS_3 = "03 05 00 04"
TRIP = "02 00 00 00 01 00 00 00 1A 00 59 59 23 31 12 99"
CLOSE = "02 00 00 00 01 00 00 00 1C 00 59 59 23 31 12 99"
WAIT_S = 30


def settings_of(data_dir: Path, *, gateways: int = 4, meters: int = 12) -> Settings:
    return Settings(data_dir=data_dir, sites=1, gateways=gateways, meters=meters)


@contextmanager
def fleet_on(settings: Settings) -> Iterator[subprocess.Popen[str]]:
    process = start_part(settings, "fleet")
    try:
        yield process
    finally:
        assert stop_part(process) == 0
        close_pipe(process)


def close_pipe(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    process.stdout.close()


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of a fleet that runs for all tests of this module."""
    settings = settings_of(tmp_path_factory.mktemp("fleet"))
    with fleet_on(settings):
        yield settings


@pytest.fixture
def truth(settings: Settings) -> Iterator[TruthClient]:
    with truth_of(settings) as client:
        yield client


def truth_of(settings: Settings) -> TruthClient:
    record = running(settings, "fleet")
    assert record is not None
    return TruthClient(record.ports["truth"])


def registry_of(settings: Settings) -> dict[str, Any]:
    registry: dict[str, Any] = json.loads((settings.data_dir / "registry.json").read_bytes())
    return registry


def gateways_of(settings: Settings, link: str) -> list[dict[str, Any]]:
    (site,) = registry_of(settings)["sites"]
    return [gateway for gateway in site["gateways"] if gateway["link"] == link]


@contextmanager
def modbus_of(gateway: dict[str, Any]) -> Iterator[ModbusTcpClient]:
    client = ModbusTcpClient(gateway["host"], port=gateway["port"])
    assert client.connect()  # type: ignore[no-untyped-call]  # pymodbus leaves it untyped
    try:
        yield client
    finally:
        client.close()  # type: ignore[no-untyped-call]  # pymodbus leaves it untyped


def energy_wh(client: ModbusTcpClient, unit: int) -> int:
    high, low = client.read_holding_registers(ENERGY, count=2, device_id=unit).registers
    return ((high << 16) + low) * 10


def test_registry_describes_the_gateways(settings: Settings) -> None:
    registry = registry_of(settings)
    record = running(settings, "fleet")
    assert record is not None
    assert registry["dial_in"] == {"host": "127.0.0.1", "port": record.ports["dial_in"]}
    (site,) = registry["sites"]
    assert site["site"] == "S1"
    assert [gateway["gateway"] for gateway in site["gateways"]] == ["S1-G01", "S1-G02", "S1-G03", "S1-G04"]
    polled, dialling = site["gateways"][:2]
    assert polled["meters"][0] == {"meter": DEMO.meter, "address": DEMO.address, "template": DEMO.template}
    assert (polled["link"], polled["host"]) == ("modbus-tcp", "127.0.0.1")
    assert (dialling["link"], dialling["registration"]) == ("dial-in", "SLUICE-S1-G02")
    assert {meter["template"] for meter in dialling["meters"]} == {"dlt645-2007"}


def test_initial_orders_are_there_to_be_sent(settings: Settings) -> None:
    lines = (settings.data_dir / "fleet" / "orders.jsonl").read_text().splitlines()
    orders = [json.loads(line) for line in lines]
    installed = [order["meter"] for order in orders if order["order"] == "install_meter"]
    assert sorted(installed) == [f"S1-M{number:04d}" for number in range(1, 13)]


def test_a_modbus_meter_counts_is_cut_and_restored(settings: Settings, truth: TruthClient) -> None:
    gateway = gateways_of(settings, "modbus-tcp")[0]
    unit = int(DEMO.address)
    with modbus_of(gateway) as client:
        before = truth.meter(DEMO.meter).shown_wh
        read = energy_wh(client, unit)
        assert before <= read <= truth.meter(DEMO.meter).shown_wh

        assert not client.write_registers(FORCED_CONTROL, [1, 1], device_id=unit).isError()
        assert client.read_holding_registers(FORCED_CONTROL, count=2, device_id=unit).registers == [1, 1]
        cut = truth.meter(DEMO.meter)
        assert cut.relay == "open"
        assert cut.opened_at_ms is not None
        assert truth.meter(DEMO.meter, cut.at_ms + 1000 * HOUR_MS).register_wh == cut.register_wh
        assert energy_wh(client, unit) == cut.shown_wh

        assert not client.write_registers(FORCED_CONTROL, [1, 0], device_id=unit).isError()
        restored = truth.meter(DEMO.meter)
        assert restored.relay == "closed"
        later = truth.meter(DEMO.meter, restored.at_ms + HOUR_MS)
        assert later.register_wh == restored.register_wh + DEMO.power_w


@pytest.mark.parametrize(
    ("unit", "first", "count", "exception"),
    [
        pytest.param(200, ENERGY, 2, 0x0B, id="no such meter"),
        pytest.param(1, 0x61, 2, 0x02, id="beyond the map"),
    ],
)
def test_modbus_exceptions(settings: Settings, unit: int, first: int, count: int, exception: int) -> None:
    with modbus_of(gateways_of(settings, "modbus-tcp")[0]) as client:
        answer = client.read_holding_registers(first, count=count, device_id=unit)
        assert answer.exception_code == exception


def test_energy_cannot_be_written(settings: Settings) -> None:
    with modbus_of(gateways_of(settings, "modbus-tcp")[0]) as client:
        assert client.write_registers(ENERGY, [0, 0], device_id=1).exception_code == 0x02
        assert client.write_registers(FORCED_CONTROL, [1, 2], device_id=1).exception_code == 0x03


class Listener:
    """The collector's side of the dial-in port, as far as a test needs it."""

    def __init__(self) -> None:
        self.calls: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.calls.put((reader, writer))

    async def call_of(self, registration: str) -> "Call":
        """Wait for that gateway's call; other gateways' calls are hung up."""
        while True:
            reader, writer = await self.calls.get()
            text = await reader.readexactly(len(registration))
            if text.decode() == registration:
                return Call(reader, writer)
            writer.close()


class Call:
    """A connection that a gateway has opened and registered on."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, address: str, code: int, data: str) -> tuple[int, bytes]:
        """Send a DL/T645 request and wait for the answer's control code and data."""
        line = bytes.fromhex(address)[::-1]
        self.writer.write(frame(line, code, bytes.fromhex(data)))
        head = await self.reader.readexactly(4 + 10)
        assert head[:4] == b"\xfe" * 4
        assert head[5:11] == line
        rest = await self.reader.readexactly(head[13] + 2)
        body = head[4:] + rest[:-2]
        assert rest[-2:] == bytes([sum(body) % 256, 0x16])
        return head[12], bytes((byte - 0x33) % 256 for byte in rest[:-2])


def frame(address: bytes, code: int, data: bytes) -> bytes:
    body = b"\x68" + address + bytes([0x68, code, len(data)]) + bytes((byte + 0x33) % 256 for byte in data)
    return body + bytes([sum(body) % 256, 0x16])


@asynccontextmanager
async def listening(settings: Settings) -> AsyncIterator[Listener]:
    dial_in = registry_of(settings)["dial_in"]
    listener = Listener()
    server = await asyncio.start_server(listener.take, dial_in["host"], dial_in["port"])
    try:
        yield listener
    finally:
        server.close()


def test_a_dial_in_gateway_hands_frames_through(settings: Settings, truth: TruthClient) -> None:
    gateway = gateways_of(settings, "dial-in")[1]
    meter = gateway["meters"][0]
    address = meter["address"]

    async def converse() -> None:
        async with listening(settings) as listener, asyncio.timeout(WAIT_S):
            call = await listener.call_of(gateway["registration"])
            before = truth.meter(meter["meter"]).shown_wh
            code, data = await call.ask(address, READ, DI_ENERGY)
            assert code == 0x91
            assert data[:4].hex(" ") == DI_ENERGY
            assert before <= int(data[4:][::-1].hex()) * 10 <= truth.meter(meter["meter"]).shown_wh

            assert await call.ask(address, RELAY, TRIP) == (0x9C, b"")
            assert await call.ask(address, READ, DI_STATUS_3) == (0x91, bytes.fromhex(DI_STATUS_3 + "50 00"))
            cut = truth.meter(meter["meter"])
            assert cut.relay == "open"
            assert truth.meter(meter["meter"], cut.at_ms + 1000 * HOUR_MS).register_wh == cut.register_wh

            assert await call.ask(address, RELAY, CLOSE) == (0x9C, b"")
            assert await call.ask(address, READ, DI_STATUS_3) == (0x91, bytes.fromhex(DI_STATUS_3 + "00 00"))
            assert truth.meter(meter["meter"]).relay == "closed"
            call.writer.close()

    asyncio.run(converse())


def test_a_dial_in_gateway_calls_again(settings: Settings) -> None:
    gateway = gateways_of(settings, "dial-in")[0]
    address = gateway["meters"][0]["address"]

    async def converse() -> None:
        async with listening(settings) as listener, asyncio.timeout(WAIT_S):
            first = await listener.call_of(gateway["registration"])
            first.writer.close()
            second = await listener.call_of(gateway["registration"])
            code, _ = await second.ask(address, READ, DI_ENERGY)
            assert code == 0x91
            second.writer.close()

    asyncio.run(converse())


def test_truth_refuses_what_it_does_not_know(settings: Settings, truth: TruthClient) -> None:
    with pytest.raises(Exception, match="no meter S9-M0001"):
        truth.meter("S9-M0001")
    assert sorted(truth.all()) == [f"S1-M{number:04d}" for number in range(1, 13)]


def test_a_killed_fleet_goes_on_where_it_was(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    process = start_part(settings, "fleet")
    try:
        gateway = gateways_of(settings, "modbus-tcp")[0]
        with modbus_of(gateway) as client:
            assert not client.write_registers(FORCED_CONTROL, [1, 1], device_id=1).isError()
        with truth_of(settings) as truth:
            before = truth.all()
        registry = (tmp_path / "registry.json").read_bytes()
        clock = (tmp_path / "clock.json").read_bytes()
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        close_pipe(process)

    with fleet_on(settings):
        assert (tmp_path / "registry.json").read_bytes() == registry
        assert (tmp_path / "clock.json").read_bytes() == clock
        with truth_of(settings) as truth:
            for meter, known in before.items():
                assert truth.meter(meter, known.at_ms) == known
                now = truth.meter(meter)
                assert now.at_ms >= known.at_ms
                assert now.register_wh >= known.register_wh
            cut = truth.meter(DEMO.meter)
            assert cut.relay == "open"
            assert cut.register_wh == before[DEMO.meter].register_wh
        with modbus_of(gateway) as client:
            assert client.read_holding_registers(FORCED_CONTROL, count=2, device_id=1).registers == [1, 1]
            assert energy_wh(client, 1) == before[DEMO.meter].shown_wh


def run_fleet(settings: Settings) -> subprocess.CompletedProcess[str]:
    """Run a fleet that is expected to refuse to start."""
    return subprocess.run(
        [sys.executable, "-m", "infra.cli", "run", "fleet"],
        cwd=ROOT,
        env=settings.to_environment(),
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )


def test_a_second_fleet_on_the_same_directory_is_refused(settings: Settings) -> None:
    refused = run_fleet(settings)
    assert refused.returncode == 1
    assert "another fleet runs on this data directory" in refused.stderr
    assert refused.stdout == ""


def test_another_size_on_the_same_directory_is_refused(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    with fleet_on(settings):
        pass
    assert read_record(settings, "fleet") is not None
    refused = run_fleet(settings_of(tmp_path, meters=20))
    assert refused.returncode == 1
    assert "holds 1 sites, 4 gateways, 12 meters of seed 1" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_sizes_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    refused = run_fleet(settings_of(tmp_path, gateways=1, meters=300))
    assert refused.returncode == 1
    assert "take more gateways" in refused.stderr
