"""The collector as a process between sockets and Kafka: rounds go in, commands come out, and neither gets lost."""

import asyncio
import json
import os
import queue
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import KafkaError
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from collectors.clock_watch import ClockWatch
from collectors.command_check import CommandCheck
from collectors.command_feed import CommandFeed
from collectors.gateways.command import Command
from collectors.gateways.report import report_nothing
from collectors.publisher import RoundPublisher
from collectors.wire.answers import read_register, read_supply
from collectors.wire.round import Block, Round, decode_round
from collectors.wire.templates import TEMPLATES
from infra.cli.app import app
from infra.endpoints import kafka_bootstrap
from infra.ports import HOST, free_ports
from infra.settings import Settings
from infra.topics import GATEWAY_COMMANDS, METER_FRAMES, OFFICE_ORDERS, ensure_topics, partition_of, record_bytes_max
from streams.core.localtime import format_time, parse_time
from streams.core.outcome import Supply
from tests.conftest import ROOT, lend_jars, start_part, stop_part
from tests.integration.collector_lines import (
    NOON_MS,
    TRIP,
    WAIT_S,
    Dlt645Meter,
    PymodbusGateway,
    ScriptedGateway,
    SetClock,
    awaited,
    frames_of,
)

ADDRESS = 151230011061
CLOSE = 0x1C
LIFE_MS = 15 * 60_000


class Tail:
    """What comes into one site's partition of a topic from now on."""

    def __init__(self, bootstrap: str, topic: str, site: str, partitions: int) -> None:
        self._key = site.encode()
        self._consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
        self._place = TopicPartition(topic, partition_of(self._key, partitions))
        self._consumer.assign([self._place])
        self._consumer.seek(self._place, self._consumer.end_offsets([self._place])[self._place])
        self._ahead: list[bytes] = []

    def next(self) -> bytes:
        """The next record of the site."""
        while not self._ahead:
            for records in self._consumer.poll(timeout_ms=1000).values():
                self._ahead += [record.value for record in records if record.key == self._key]
        return self._ahead.pop(0)

    def is_empty(self) -> bool:
        """Whether nothing of the site has come that was not taken."""
        end = self._consumer.end_offsets([self._place])[self._place]
        while self._consumer.position(self._place) < end:
            for records in self._consumer.poll(timeout_ms=1000).values():
                self._ahead += [record.value for record in records if record.key == self._key]
        return not self._ahead

    def close(self) -> None:
        self._consumer.close()


@dataclass
class Place:
    """A site of its own on the shared Kafka, with one gateway of each kind."""

    bootstrap: str
    settings: Settings
    site: str = field(default_factory=lambda: f"site-{uuid.uuid4().hex[:8]}")

    @property
    def polled(self) -> str:
        return f"{self.site}-G01"

    @property
    def dialling(self) -> str:
        return f"{self.site}-G02"

    def write_registry(self, *, modbus_port: int, dial_in_port: int) -> None:
        polled = {"gateway": self.polled, "link": "modbus-tcp", "host": HOST, "port": modbus_port}
        dialling = {"gateway": self.dialling, "link": "dial-in", "registration": self.dialling}
        meters = [{"meter": f"{self.site}-M1", "address": "17", "template": "ddsy1352"}]
        others = [{"meter": f"{self.site}-M2", "address": str(ADDRESS), "template": "dlt645-2007"}]
        gateways = [polled | {"meters": meters}, dialling | {"meters": others}]
        registry = {
            "sites": [{"site": self.site, "gateways": gateways}],
            "dial_in": {"host": HOST, "port": dial_in_port},
        }
        (self.settings.data_dir / "registry.json").write_text(json.dumps(registry))

    def order(self, gateway: str, meter: str, sequence: int, action: str) -> None:
        """Put a command into the topic."""
        key, value, partition = self._record(gateway, meter, sequence, action)
        producer = KafkaProducer(bootstrap_servers=self.bootstrap)
        producer.send(GATEWAY_COMMANDS, value, key=key, partition=partition).get(timeout=20)
        producer.close()

    def order_in_transaction(self, given: list[tuple[str, str, int, str]], *, commit: bool) -> None:
        """Put commands into the topic as the ledger does, or begin to and take them back."""
        producer = KafkaProducer(bootstrap_servers=self.bootstrap, transactional_id=f"{self.site}-ledger")
        producer.init_transactions()
        producer.begin_transaction()
        for gateway, meter, sequence, action in given:
            key, value, partition = self._record(gateway, meter, sequence, action)
            producer.send(GATEWAY_COMMANDS, value, key=key, partition=partition)
        if commit:
            producer.commit_transaction()
        else:
            producer.flush()
            producer.abort_transaction()
        producer.close()

    def _record(self, gateway: str, meter: str, sequence: int, action: str) -> tuple[bytes, bytes, int]:
        issued_ms = time.time_ns() // 1_000_000
        value = {
            "v": 1,
            "site": self.site,
            "gateway": gateway,
            "meter": meter,
            "address": "17" if gateway == self.polled else str(ADDRESS),
            "template": "ddsy1352" if gateway == self.polled else "dlt645-2007",
            "sequence": sequence,
            "action": action,
            "reason": "arrears",
            "repeat": False,
            "issued_at": format_time(issued_ms),
            "expires_at": format_time(issued_ms + LIFE_MS),
        }
        key = gateway.encode()
        return key, msgspec.json.encode(value), partition_of(key, self.settings.partitions)


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
def orders(place: Place) -> Iterator[Tail]:
    tail = Tail(place.bootstrap, OFFICE_ORDERS, place.site, place.settings.partitions)
    yield tail
    tail.close()


async def round_of(frames: Tail, gateway: str, supply: Supply | None = None) -> Round:
    """The next round of a gateway; with `supply`, the next that reports it."""
    while True:
        taken = decode_round(await asyncio.to_thread(frames.next))
        if taken.gateway == gateway and (supply is None or supply_of(taken) is supply):
            return taken


def supply_of(taken: Round) -> Supply:
    (block,) = [block for block in taken.blocks if block.item == "relay"]
    ((address, frame),) = frames_of(taken, "relay").items()
    return read_supply(frame, TEMPLATES[block.template], address)


@awaited
async def test_from_socket_to_topic_and_from_topic_to_socket_across_kill_9(place: Place, frames: Tail) -> None:
    modbus, meter = PymodbusGateway({17: 100_000}), Dlt645Meter(str(ADDRESS), counts=26)
    dial_in = ScriptedGateway.of_meters(meter)
    (dial_in_port,) = free_ports(1)
    await modbus.start()
    place.write_registry(modbus_port=modbus.port, dial_in_port=dial_in_port)
    collector = await asyncio.to_thread(start_part, place.settings, "collector")
    try:
        await dial_in.call(dial_in_port, place.dialling.encode())
        taken = await round_of(frames, place.polled)
        assert taken.site == place.site
        assert read_register(frames_of(taken, "energy")[17], TEMPLATES["ddsy1352"], 17) == 1_000_000
        taken = await round_of(frames, place.dialling)
        assert read_register(frames_of(taken, "energy")[ADDRESS], TEMPLATES["dlt645-2007"], ADDRESS) == 260
        assert abs(taken.collected_at - time.time_ns() // 1_000_000) < LIFE_MS, "no virtual clock runs here"

        await asyncio.to_thread(place.order, place.polled, f"{place.site}-M1", 1, "cut")
        await asyncio.to_thread(place.order, place.dialling, f"{place.site}-M2", 1, "cut")
        await round_of(frames, place.polled, Supply.OFF)
        await round_of(frames, place.dialling, Supply.OFF)

        with collector:
            collector.kill()
        await dial_in.ended.wait()
        collector = await asyncio.to_thread(start_part, place.settings, "collector")
        await dial_in.call(dial_in_port, place.dialling.encode())
        await asyncio.to_thread(place.order, place.polled, f"{place.site}-M1", 2, "restore")
        await asyncio.to_thread(place.order, place.dialling, f"{place.site}-M2", 2, "restore")
        await round_of(frames, place.polled, Supply.ON)
        await round_of(frames, place.dialling, Supply.ON)
        assert modbus.writes == [(17, [1, 1]), (17, [1, 0])], "the first command was not carried out again"
        assert meter.relay_orders == [TRIP, CLOSE]
        assert await asyncio.to_thread(stop_part, collector) == 0
    finally:
        collector.kill()
        await dial_in.hang_up()
        await modbus.stop()


@awaited
async def test_a_command_that_was_given_while_the_collector_was_down_is_carried_out(place: Place, frames: Tail) -> None:
    modbus = PymodbusGateway({17: 1})
    await modbus.start()
    place.write_registry(modbus_port=modbus.port, dial_in_port=0)
    await asyncio.to_thread(place.order, place.polled, f"{place.site}-M1", 1, "cut")
    collector = await asyncio.to_thread(start_part, place.settings, "collector")
    try:
        await round_of(frames, place.polled, Supply.OFF)
        assert await asyncio.to_thread(stop_part, collector) == 0
    finally:
        collector.kill()
        await modbus.stop()


@awaited
async def test_of_what_was_given_while_the_collector_was_down_only_the_last_word_counts(
    place: Place, frames: Tail
) -> None:
    """The cut before the recharge must not go out: by the time it could, it is known to be taken back."""
    modbus = PymodbusGateway({17: 1})
    await modbus.start()
    place.write_registry(modbus_port=modbus.port, dial_in_port=0)
    for sequence, action in ((1, "cut"), (2, "restore"), (3, "cut"), (4, "restore")):
        await asyncio.to_thread(place.order, place.polled, f"{place.site}-M1", sequence, action)
    collector = await asyncio.to_thread(start_part, place.settings, "collector")
    try:
        await asyncio.to_thread(place.order, place.polled, f"{place.site}-M1", 5, "cut")
        await round_of(frames, place.polled, Supply.OFF)
        assert modbus.writes in ([(17, [1, 0]), (17, [1, 1])], [(17, [1, 1])])
        assert await asyncio.to_thread(stop_part, collector) == 0
    finally:
        collector.kill()
        await modbus.stop()


def test_the_feed_hands_over_the_last_word_about_each_relay_of_what_was_committed_before(place: Place) -> None:
    """Of three cuts and two restores in one transaction; what was rolled back behind them holds nothing up."""
    meter, successor, other = f"{place.site}-M1", f"{place.site}-M9", f"{place.site}-M2"
    given = [
        (place.polled, meter, 4, "cut"),
        (place.polled, successor, 1, "restore"),
        (place.dialling, other, 1, "cut"),
        (place.dialling, other, 3, "restore"),
        (place.dialling, other, 2, "cut"),
    ]
    # All partitions have an end that no record is at: that of the transaction's marker.
    place.order_in_transaction(given, commit=True)
    place.order_in_transaction([(place.polled, successor, 2, "cut"), (place.dialling, other, 4, "cut")], commit=False)
    took: queue.SimpleQueue[Command] = queue.SimpleQueue()
    check = CommandCheck({place.polled, place.dialling}, keys={}, report=report_nothing)
    passed_over: queue.SimpleQueue[tuple[str, int]] = queue.SimpleQueue()
    feed = CommandFeed(
        place.bootstrap,
        read=check.read,
        take=took.put,
        pass_over=lambda earlier, _: passed_over.put((earlier.meter, earlier.sequence)),
    )
    feed.start()
    try:
        found = [took.get(timeout=WAIT_S) for _ in range(2)]
        assert {(each.meter, each.sequence, each.action) for each in found} == {
            (successor, 1, "restore"),
            (other, 3, "restore"),
        }
        assert {passed_over.get(timeout=WAIT_S) for _ in range(3)} == {(meter, 4), (other, 1), (other, 2)}
        place.order(place.polled, successor, 3, "cut")
        assert took.get(timeout=WAIT_S).sequence == 3
    finally:
        feed.stop()


def test_a_registry_with_a_fault_ends_the_collector_with_its_place(place: Place) -> None:
    place.write_registry(modbus_port=0, dial_in_port=0)
    command = [sys.executable, "-m", "infra.run", "collector"]
    ended = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **place.settings.to_environment()},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode != 0
    assert f"site {place.site}, gateway {place.polled}: a modbus-tcp gateway needs host and port" in ended.stderr


@pytest.fixture
def own(tmp_path: Path) -> Settings:
    """Settings of a Kafka that a test may stop."""
    lend_jars(tmp_path)
    return Settings(data_dir=tmp_path, kafka="", partitions=2, replication=1)


def test_rounds_wait_while_kafka_is_away_and_none_is_lost(own: Settings) -> None:
    server = start_part(own, "kafka")
    bootstrap = kafka_bootstrap(own)
    ensure_topics(bootstrap, own)

    async def publish() -> None:
        # Kafka ends with the thread that started it, so it is started and stopped in this one; the loop waits.
        nonlocal server
        publisher = RoundPublisher(bootstrap, partitions=own.partitions, in_flight_max=4)
        await publisher.publish(_round(0))
        assert stop_part(server) == 0
        waiting = [asyncio.create_task(publisher.publish(_round(number))) for number in range(1, 10)]
        done, _ = await asyncio.wait(waiting, timeout=0.5)
        assert not done
        server = start_part(own, "kafka")
        await asyncio.gather(*waiting)
        await publisher.close()

    try:
        asyncio.run(publish())
        consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
        at = TopicPartition(METER_FRAMES, partition_of(b"S1", own.partitions))
        consumer.assign([at])
        consumer.seek_to_beginning(at)
        stored: list[int] = []
        while len(stored) < 10:
            for records in consumer.poll(timeout_ms=1000).values():
                stored += [decode_round(record.value).collected_at - NOON_MS for record in records]
        consumer.close()
        assert sorted(stored) == list(range(10))
    finally:
        stop_part(server)


def test_a_publisher_ends_while_kafka_is_away(own: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says how many rounds were given up, and does not wait for Kafka for ever."""
    monkeypatch.setattr("collectors.publisher._CLOSE_S", 0.5)
    server = start_part(own, "kafka")

    async def publish() -> None:
        publisher = RoundPublisher(kafka_bootstrap(own), partitions=own.partitions)
        await publisher.publish(_round(0))
        assert await asyncio.to_thread(stop_part, server) == 0
        waiting = [asyncio.create_task(publisher.publish(_round(number))) for number in (1, 2)]
        await asyncio.wait(waiting, timeout=0.5)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        with capture_logs() as logs:
            await publisher.close()
        assert [line["rounds"] for line in logs if line["log_level"] == "warning"] == [2]

    try:
        ensure_topics(kafka_bootstrap(own), own)
        asyncio.run(publish())
    finally:
        stop_part(server)


def limit_records(bootstrap: str, largest: int) -> None:
    """Set the largest record that the topic of rounds takes."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    changed = {"max.message.bytes": str(largest)}
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, METER_FRAMES, configs=changed)])
    admin.close()
    # The broker answers before it has taken the change in, and tells only when it is asked.
    deadline = time.monotonic() + 60
    while record_bytes_max(bootstrap, METER_FRAMES) != largest:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_round_that_is_too_large_is_dropped_and_a_producer_that_failed_is_not_gone_on_with(own: Settings) -> None:
    """Else every later round would be taken for too large, and none would ever arrive."""
    server = start_part(own, "kafka")
    bootstrap = kafka_bootstrap(own)

    async def publish() -> None:
        publisher = RoundPublisher(bootstrap, partitions=own.partitions)
        with capture_logs() as logs:
            for size in (3, 8000, 3, 9000):
                await publisher.publish(_round(0, size))
        assert [line["bytes"] > 4000 for line in logs] == [True, True], "the small ones have arrived"
        assert [(line["log_level"], line["dropped"]) for line in logs] == [("error", 1), ("error", 2)]
        limit_records(bootstrap, 100)
        with capture_logs() as logs:
            for size in (1000, 3, 3):
                with pytest.raises(KafkaError):
                    await publisher.publish(_round(0, size))
        assert [(line["log_level"], "MessageSizeTooLarge" in line["error"]) for line in logs] == [("critical", True)]
        await publisher.close()

    async def collect() -> None:
        modbus = PymodbusGateway({17: 1})
        await modbus.start()
        place = Place(bootstrap, own.model_copy(update={"kafka": bootstrap, "speed": 1, "poll_interval_s": 1}))
        place.write_registry(modbus_port=modbus.port, dial_in_port=0)
        collector = await asyncio.to_thread(start_part, place.settings, "collector")
        try:
            limit_records(bootstrap, 10)
            with collector:
                assert await asyncio.to_thread(collector.wait) != 0
            said = (own.log_dir / "collector.log").read_text()
            assert "Kafka's producer failed for good, the collector ends" in said
        finally:
            collector.kill()
            await modbus.stop()

    try:
        ensure_topics(bootstrap, own)
        limit_records(bootstrap, 4000)
        asyncio.run(publish())
        limit_records(bootstrap, 4000)
        asyncio.run(collect())
    finally:
        stop_part(server)


@awaited
async def test_a_collector_whose_clock_is_not_the_brokers_is_warned(place: Place) -> None:
    clock = SetClock(time.time_ns() // 1_000_000 - 660_000)
    publisher = RoundPublisher(place.bootstrap, partitions=place.settings.partitions, watch=ClockWatch(clock))
    with capture_logs() as logs:
        await publisher.publish(_round(0))
    (warning,) = logs
    assert warning["ahead_s"] < -600
    clock.at_ms += 660_000
    with capture_logs() as logs:
        await publisher.publish(_round(1))
    assert not logs
    await publisher.close()


def _round(number: int, size: int = 3) -> Round:
    frame = bytes(size)
    block = Block("ddsy1352", "energy", np.array([1], np.uint64), np.array([NOON_MS]), size, None, frame)
    return Round("S1", "S1-G01", NOON_MS + number, (block,))


def sluice(place: Place, *arguments: str, said: str = "") -> Result:
    """Run the command line on the place's settings."""
    return CliRunner().invoke(app, list(arguments), input=said, env=place.settings.to_environment())


def test_a_recharge_is_acknowledged_with_its_identity(place: Place, orders: Tail) -> None:
    done = sluice(place, "recharge", "A1", "12.50", "--site", place.site, "--channel", "alipay")
    assert done.exit_code == 0, done.stderr
    order = json.loads(orders.next())
    at = parse_time(order.pop("at"))
    assert at is not None
    assert abs(at - time.time_ns() // 1_000_000) < LIFE_MS
    identity = order.pop("order_id")
    assert order == {"order": "recharge", "site": place.site, "account": "A1", "amount": "12.50", "channel": "alipay"}
    assert identity in done.stdout
    assert f"partition {partition_of(place.site.encode(), place.settings.partitions)}, offset " in done.stdout


def test_a_recharge_keeps_the_identity_it_is_given(place: Place, orders: Tail) -> None:
    done = sluice(place, "recharge", "A1", "12", "--site", place.site, "--order-id", "R1")
    assert done.exit_code == 0, done.stderr
    assert json.loads(orders.next())["order_id"] == "R1"


@pytest.mark.parametrize("way", ["argument", "file", "standard input"])
def test_orders_come_as_an_argument_a_file_or_lines(place: Place, orders: Tail, tmp_path: Path, way: str) -> None:
    lines = [{"order": "open_account", "account": f"A{n}", "site": place.site} for n in (1, 2)]
    texts = [json.dumps(line) for line in lines]
    if way == "argument":
        done, lines = sluice(place, "order", texts[0]), lines[:1]
    elif way == "file":
        (tmp_path / "orders.jsonl").write_text("\n".join(texts))
        done = sluice(place, "order", "--file", str(tmp_path / "orders.jsonl"))
    else:
        done = sluice(place, "order", "-", said="\n".join(["", *texts, ""]))
    assert done.exit_code == 0, done.stderr
    for line in lines:
        order: dict[str, Any] = json.loads(orders.next())
        assert parse_time(order.pop("at")) is not None
        assert order == line


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        pytest.param('{"order": "recharge", "account": "A1", "order_id": "R1", "amount": 5}', "amount", id="field"),
        pytest.param('{"order": "tick"', "line 2: is not JSON", id="no JSON"),
        pytest.param("[]", "line 2: is not a JSON object", id="no object"),
        pytest.param('{"order": "tick", "order": "tick"}', "line 2: field 'order': stands twice", id="a name twice"),
    ],
)
def test_a_malformed_order_is_told_and_none_of_the_lines_is_sent(
    place: Place, orders: Tail, wrong: str, named: str
) -> None:
    good = json.dumps({"order": "tick", "site": place.site})
    done = sluice(place, "order", "-", said=f"{good}\n{wrong}\n")
    assert done.exit_code == 2
    assert named in done.stderr
    assert orders.is_empty()


def test_kafka_that_is_not_there_is_told_in_a_sentence(place: Place) -> None:
    nobody = Place("", place.settings.model_copy(update={"kafka": ""}))
    done = sluice(nobody, "recharge", "A1", "1")
    assert done.exit_code == 2
    assert "no kafka runs" in done.stderr
