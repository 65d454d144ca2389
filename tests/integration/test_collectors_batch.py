"""A batch from the command line to the relays and back: real Kafka, ledger, sink, ClickHouse, collector and meters."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from collectors.orders.front_door import FrontDoor
from infra.cli.app import app
from infra.clock import SystemClock
from infra.endpoints import kafka_bootstrap
from infra.gateway_keys import KEYS_FILE
from infra.ports import HOST
from infra.settings import Settings
from tests.conftest import lend_jars, start_part, stop_part
from tests.integration.clickhouse_places import own_database
from tests.integration.collector_lines import PymodbusGateway
from tests.ledger_inputs import opening_orders

SITE, GATEWAY = "S1", "S1-G01"
HERE, AWAY = (1, 2), 3
SILENT, UNKNOWN = "S1-M2", "S1-M99"


@pytest.fixture
def settings_of_own(clickhouse: str, tmp_path: Path) -> Iterator[Settings]:
    with own_database(clickhouse, "batch") as url:
        settings = Settings(data_dir=tmp_path, kafka="", clickhouse=url, partitions=2, speed=1, poll_interval_s=1)
        lend_jars(tmp_path)
        yield settings


def sluice(settings: Settings, *arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, env=settings.to_environment(), catch_exceptions=False)


def states(settings: Settings) -> dict[str, str]:
    done = sluice(settings, "batch", "status", "B-1", "--json")
    assert done.exit_code == 0, done.output
    return {line["meter"]: line["state"] for line in map(json.loads, done.stdout.splitlines())}


def write_registry(settings: Settings, port: int) -> None:
    meters = [
        {"meter": f"{SITE}-M{number}", "address": str(address), "template": "ddsy1352"}
        for number, address in enumerate((*HERE, AWAY))
    ]
    gateway = {"gateway": GATEWAY, "link": "modbus-tcp", "host": HOST, "port": port, "meters": meters}
    text = json.dumps({"sites": [{"site": SITE, "gateways": [gateway]}]})
    (settings.data_dir / "registry.json").write_text(text)


async def run_batch(settings: Settings) -> None:
    modbus = PymodbusGateway(dict.fromkeys(HERE, 1))
    await modbus.start()
    write_registry(settings, modbus.port)
    # The ledger signs, and the collector carries out nothing else.
    (settings.data_dir / KEYS_FILE).write_text(json.dumps({GATEWAY: bytes(range(32)).hex()}))
    with ExitStack() as parts:
        for part in ("kafka", "ledger", "sink", "collector"):
            parts.callback(stop_part, await asyncio.to_thread(start_part, settings, part))
        orders = map(json.loads, opening_orders(SITE, [GATEWAY], (*HERE, AWAY), template="ddsy1352"))
        with FrontDoor(kafka_bootstrap(settings), partitions=2, clock=SystemClock()) as door:
            await asyncio.to_thread(door.submit_all, list(orders))
        # Behind the orders: the sink has them as soon as it has the readings that a round brought.
        given = await asyncio.to_thread(sluice, settings, "batch", "cut", "B-1", "--meter", UNKNOWN)
        while (await asyncio.to_thread(states, settings))[UNKNOWN] == "sent":
            pass
        for expected in ("3 orders taken in, 1 were there before", "0 orders taken in, 4 were there before"):
            given = await asyncio.to_thread(
                sluice, settings, "batch", "cut", "B-1", "--gateway", GATEWAY, "--meter", UNKNOWN
            )
            assert (given.exit_code, given.stdout.strip()) == (0, f"batch B-1: {expected}")
        while list((found := await asyncio.to_thread(states, settings)).values()).count("confirmed") < len(HERE):
            pass
        assert found == {UNKNOWN: "refused", "S1-M0": "confirmed", "S1-M1": "confirmed", SILENT: "commanded"}
        assert sorted(modbus.writes) == [(1, [1, 1]), (2, [1, 1])]
        shown = await asyncio.to_thread(sluice, settings, "batch", "status", "B-1")
        assert "ledger: unknown" in shown.stdout
        assert "batch B-1, cut: 1 refused, 2 confirmed, 1 commanded" in shown.stdout
        other = await asyncio.to_thread(sluice, settings, "batch", "restore", "B-1", "--gateway", GATEWAY)
        assert (other.exit_code, "needs a new id" in other.stderr) == (2, True)
    await modbus.stop()


def test_a_batch_goes_out_once_and_tells_of_each_meter(settings_of_own: Settings) -> None:
    # Bounded by pytest alone: five processes start, on a machine that may be busy.
    asyncio.run(run_batch(settings_of_own))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("open", "B"), "'open' is none of cut"),
        (("cut", "B"), "name meters by"),
        (("cut", "B", "--whole-site", "--meter", "M1"), "goes alone"),
        (("cut", "B", "--file", "/nowhere"), "/nowhere"),
    ],
    ids=["action", "nothing", "both", "file"],
)
def test_a_batch_that_is_not_clear_is_not_given(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    done = sluice(Settings(data_dir=tmp_path, kafka="127.0.0.1:1"), "batch", *arguments)
    assert done.exit_code == 2
    assert said in done.stderr
