"""What became of commands, from topic to topic: the meter was away, and the collector ended in between."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from kafka import KafkaProducer

from collectors.wire.signature import sign
from infra.clock import start_clock
from infra.gateway_keys import KEYS_FILE
from infra.ports import HOST, free_ports
from infra.settings import Settings
from infra.topics import GATEWAY_COMMANDS, GATEWAY_REPORTS, METER_FRAMES, partition_of
from streams.core.localtime import format_time
from streams.core.outcome import Supply
from tests.conftest import ROOT, start_part, stop_part
from tests.integration.collector_lines import (
    CONTROL_WORD,
    STATUS_WORD_3,
    TRIP,
    Dlt645Meter,
    PymodbusGateway,
    ScriptedGateway,
    awaited,
)
from tests.integration.test_collectors_kafka import ADDRESS, LIFE_MS, Place, Tail, round_of

SCHEMA = json.loads((ROOT / "docs/schemas/gateway.reports.json").read_text("utf-8"))
KEY = bytes(range(32))


@pytest.fixture
def place(kafka: str, settings: Settings, tmp_path: Path) -> Place:
    return Place(
        kafka, settings.model_copy(update={"kafka": kafka, "data_dir": tmp_path, "speed": 1, "poll_interval_s": 1})
    )


@pytest.fixture
def frames(place: Place) -> Iterator[Tail]:
    tail = Tail(place.bootstrap, METER_FRAMES, place.site, place.settings.partitions)
    yield tail
    tail.close()


@pytest.fixture
def reports(place: Place) -> Iterator["Reports"]:
    found = Reports(place)
    yield found
    found.close()


class Reports:
    """What is reported of the commands of both gateways from now on."""

    def __init__(self, place: Place) -> None:
        partitions = place.settings.partitions
        self._tails = {
            gateway: Tail(place.bootstrap, GATEWAY_REPORTS, gateway, partitions)
            for gateway in (place.polled, place.dialling)
        }

    async def next(self, gateway: str) -> tuple[int, str]:
        """Sequence and outcome of the next report."""
        report = await self.next_whole(gateway)
        return report["sequence"], report["outcome"]

    async def next_whole(self, gateway: str) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(await asyncio.to_thread(self._tails[gateway].next))
        jsonschema.validate(report, SCHEMA, cls=jsonschema.Draft202012Validator)
        assert report["gateway"] == gateway
        return report

    def are_empty(self) -> bool:
        return all(tail.is_empty() for tail in self._tails.values())

    def close(self) -> None:
        for tail in self._tails.values():
            tail.close()


def send(place: Place, gateway: str, sequence: int, action: str = "cut", **change: Any) -> None:
    """Put a command into the topic; with `signed_with`, signed."""
    polled = gateway == place.polled
    key = change.pop("signed_with", None)
    now_ms = time.time_ns() // 1_000_000
    fields = {
        "v": 1,
        "site": place.site,
        "gateway": gateway,
        "meter": f"{place.site}-M{1 if polled else 2}",
        "address": "17" if polled else str(ADDRESS),
        "template": "ddsy1352" if polled else "dlt645-2007",
        "sequence": sequence,
        "action": action,
        "reason": "arrears",
        "repeat": False,
        "issued_at": format_time(now_ms),
        "expires_at": format_time(now_ms + LIFE_MS),
        **change,
    }
    if key is not None:
        fields["signature"] = sign(key, fields)
    producer = KafkaProducer(bootstrap_servers=place.bootstrap)
    partition = partition_of(gateway.encode(), place.settings.partitions)
    producer.send(GATEWAY_COMMANDS, json.dumps(fields).encode(), key=gateway.encode(), partition=partition).get(20)
    producer.close()


class DeafModbusGateway:
    """Takes requests and answers none."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.asked_for_relay = asyncio.Event()

    async def __aenter__(self) -> "DeafModbusGateway":
        self._server = await asyncio.start_server(self._listen, HOST, self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = await reader.readexactly(12)
                if int.from_bytes(request[8:10], "big") == CONTROL_WORD:
                    self.asked_for_relay.set()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


class Away:
    """Both meters in a place of their own, neither answering; a collector that has a command for each of them."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.modbus = PymodbusGateway({17: 100_000})
        self.meter = Dlt645Meter(str(ADDRESS), counts=26)
        self.dial_in = ScriptedGateway.of_meters(self.meter)
        self._answer = self.dial_in.script
        (self._dial_in_port,) = free_ports(1)
        place.write_registry(modbus_port=self.modbus.port, dial_in_port=self._dial_in_port)

    async def wait_and_die(self) -> None:
        """Have the collector ask for both meters in vain, then kill it."""
        asked = asyncio.Event()

        def deaf(request: Any) -> tuple[bytes, ...]:
            if request.di == STATUS_WORD_3:
                asked.set()
            return ()

        self.dial_in.script = deaf
        collector = await asyncio.to_thread(start_part, self.place.settings, "collector")
        try:
            await self.call()
            async with DeafModbusGateway(self.modbus.port) as gateway:
                # Rounds go no further than the energy of a meter that is silent: only commands ask for the relay.
                await asyncio.gather(asked.wait(), gateway.asked_for_relay.wait())
                with collector:
                    collector.kill()
        finally:
            collector.kill()
        await self.dial_in.ended.wait()
        self.dial_in.script = self._answer

    async def call(self) -> None:
        await self.dial_in.call(self._dial_in_port, self.place.dialling.encode())


@awaited
async def test_a_command_for_a_meter_that_is_away_is_carried_out_once_by_the_collector_that_is_started_next(
    place: Place, frames: Tail, reports: Reports
) -> None:
    away = Away(place)
    for gateway in (place.polled, place.dialling):
        await asyncio.to_thread(send, place, gateway, 1)
    await away.wait_and_die()
    await away.modbus.start()
    try:
        for number in range(2):
            collector = await asyncio.to_thread(start_part, place.settings, "collector")
            try:
                await away.call()
                await round_of(frames, place.polled, Supply.OFF)
                await round_of(frames, place.dialling, Supply.OFF)
                if not number:
                    assert await reports.next(place.polled) == (1, "accepted")
                    report = await reports.next_whole(place.dialling)
                    assert (report["outcome"], report["frame"][-8:-4]) == ("accepted", "9c00")
                assert await asyncio.to_thread(stop_part, collector) == 0
            finally:
                collector.kill()
            await away.dial_in.ended.wait()
        assert away.modbus.writes == [(17, [1, 1])]
        assert away.meter.relay_orders == [TRIP]
        assert await asyncio.to_thread(reports.are_empty), "the second collector had nothing to report"
    finally:
        await away.dial_in.hang_up()
        await away.modbus.stop()


@awaited
async def test_a_command_that_expires_while_its_meter_and_the_collector_are_away_is_reported_and_not_carried_out(
    place: Place, frames: Tail, reports: Reports
) -> None:
    now_ms = time.time_ns() // 1_000_000
    away = Away(place)
    for gateway in (place.polled, place.dialling):
        await asyncio.to_thread(send, place, gateway, 1)
    await away.wait_and_die()
    # A quarter of an hour and more goes by.
    start_clock(place.settings.data_dir, origin_virtual_ms=now_ms + 2 * LIFE_MS, speed=1)
    await away.modbus.start()
    collector = await asyncio.to_thread(start_part, place.settings, "collector")
    try:
        await away.call()
        assert await reports.next(place.polled) == (1, "expired")
        assert await reports.next(place.dialling) == (1, "expired")
        await round_of(frames, place.polled, Supply.ON)
        await round_of(frames, place.dialling, Supply.ON)
        assert await asyncio.to_thread(stop_part, collector) == 0
        assert away.modbus.writes == []
        assert away.meter.relay_orders == []
    finally:
        collector.kill()
        await away.dial_in.hang_up()
        await away.modbus.stop()


@awaited
async def test_only_what_is_signed_is_carried_out_and_all_else_is_reported(
    place: Place, frames: Tail, reports: Reports
) -> None:
    (place.settings.data_dir / KEYS_FILE).write_text(json.dumps({place.polled: KEY.hex()}))
    modbus = PymodbusGateway({17: 1})
    await modbus.start()
    place.write_registry(modbus_port=modbus.port, dial_in_port=0)
    collector = await asyncio.to_thread(start_part, place.settings, "collector")
    try:
        await round_of(frames, place.polled, Supply.ON)
        for sequence, key, action, outcome in (
            (7, None, "cut", "forged"),
            (8, bytes(32), "cut", "forged"),
            (1, KEY, "retain", "unsupported"),
            (2, KEY, "cut", "accepted"),
        ):
            await asyncio.to_thread(send, place, place.polled, sequence, action, signed_with=key)
            assert await reports.next(place.polled) == (sequence, outcome)
        assert modbus.writes == [(17, [1, 1])], "the forged ones, of higher sequences, did not hold it up"
        await asyncio.to_thread(send, place, place.polled, 3, signed_with=KEY, meter="M9", address="99")
        assert await reports.next(place.polled) == (3, "misplaced")
        assert await asyncio.to_thread(stop_part, collector) == 0
    finally:
        collector.kill()
        await modbus.stop()
