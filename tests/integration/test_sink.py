"""The sink as a process between real Kafka and ClickHouse: each row exactly once, whatever is killed and when."""

import os
import random
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clickhouse_driver import Client
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

import sinks
from infra.endpoints import clickhouse_url, kafka_bootstrap
from infra.settings import Settings
from infra.topics import LEDGER_POSTINGS
from streams.postings import Postings, encode_postings
from tests.conftest import ROOT, lend_jars, start_part, stop_part
from tests.sink_postings import made_postings, totals

PARTITIONS = 3
CAUGHT_UP_S = 120.0
IDLE_S = 20.0
"""After so long without a step, a sink has written everything."""
STEPS_MAX = 60
"""Of which a few blocks consist."""


class World:
    """Kafka, ClickHouse and a stand-in for the ledger, on a data directory of their own."""

    def __init__(self, folder: Path) -> None:
        lend_jars(folder)
        self.settings = Settings(data_dir=folder, kafka="", clickhouse="", partitions=PARTITIONS, replication=1)
        self.kafka = start_part(self.settings, "kafka")
        self.clickhouse = start_part(self.settings, "clickhouse")
        self.sent: list[Postings] = []
        self._steps: dict[int, int] = {}
        """By process: the pipe by which a sink tells of its steps."""
        self._postings = made_postings(partitions=PARTITIONS, batches=10_000, meters=20, count=60, seed=3)
        self._producer = self._new_producer()

    def _new_producer(self) -> Any:
        producer = KafkaProducer(
            bootstrap_servers=kafka_bootstrap(self.settings),
            transactional_id="test-ledger",
            compression_type="lz4",
            reconnect_backoff_max_ms=1000,
        )
        producer.init_transactions()
        return producer

    def feed(self, transactions: int, chance: random.Random) -> None:
        """Send some transactions of a few postings each, and as many that are aborted."""
        for _ in range(transactions):
            batch = [next(self._postings) for _ in range(chance.randint(1, 4))]
            if chance.random() < 0.5:
                # What never happened would double the rows if it were read.
                self._transaction(batch, commit=False)
            self._transaction(batch, commit=True)
            self.sent += batch

    def _transaction(self, batch: list[Postings], *, commit: bool) -> None:
        self._producer.begin_transaction()
        futures = [
            self._producer.send(
                LEDGER_POSTINGS, encode_postings(each), key=each.site.encode(), partition=each.partition
            )
            for each in batch
        ]
        for future in futures:
            future.get(timeout=20)
        if commit:
            self._producer.commit_transaction()
        else:
            self._producer.abort_transaction()

    def start_sink(self, settings: Settings | None = None, *, dies_at: int = 0) -> subprocess.Popen[str]:
        """With small blocks; returns when it is ready, or dead: at the step counted by `dies_at` it kills itself."""
        settings = settings or self.settings
        settings.log_dir.mkdir(parents=True, exist_ok=True)
        steps, told = os.pipe()
        with (settings.log_dir / "sink.log").open("a") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.integration.small_blocks_sink"],
                cwd=ROOT,
                env={
                    **os.environ,
                    **settings.to_environment(),
                    "SLUICE_TEST_STEPS": str(told),
                    "SLUICE_TEST_DIES_AT": str(dies_at),
                },
                pass_fds=[told],
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        os.close(told)
        self._steps[process.pid] = steps
        assert process.stdout is not None
        assert process.stdout.readline() or dies_at, self.log()
        return process

    def watch(self, sink: subprocess.Popen[str], steps: int) -> None:
        """Return when the sink has taken so many steps more; sooner if it ends, or has nothing left to do."""
        pipe = self._steps[sink.pid]
        while steps > 0 and select.select([pipe], [], [], IDLE_S)[0]:
            told = os.read(pipe, steps)
            steps -= len(told) or steps

    def wait_until_dead(self, sink: subprocess.Popen[str]) -> None:
        """Until it has killed itself; it is killed if it had nothing left to do before."""
        with sink:
            try:
                sink.wait(timeout=IDLE_S)
            except subprocess.TimeoutExpired:
                sink.kill()

    def log(self) -> str:
        return (self.settings.log_dir / "sink.log").read_text()

    def wait_until_caught_up(self) -> None:
        """Until the sink's positions are the topic's ends."""
        consumer = KafkaConsumer(
            bootstrap_servers=kafka_bootstrap(self.settings), isolation_level="read_committed", enable_auto_commit=False
        )
        places = [TopicPartition(LEDGER_POSTINGS, partition) for partition in range(PARTITIONS)]
        ends = {place.partition: end for place, end in consumer.end_offsets(places).items() if end}
        consumer.close()
        deadline = time.monotonic() + CAUGHT_UP_S
        while (reached := self.query_positions()) != ends:
            if time.monotonic() > deadline:
                pytest.fail(f"positions {reached}, ends {ends}\n{self.log()[-5000:]}")
            time.sleep(0.1)

    def query_positions(self) -> dict[int, int]:
        client = Client.from_url(clickhouse_url(self.settings))
        try:
            return sinks.positions(client)
        finally:
            client.disconnect()

    def check(self) -> None:
        """All rows of what was sent, once, and their sums."""
        expected = totals(self.sent)
        client = Client.from_url(clickhouse_url(self.settings))
        found = {table: client.execute(f"SELECT count() FROM {table}")[0][0] for table in expected.rows}
        assert found == expected.rows
        ((amount, distinct),) = client.execute(
            "SELECT sum(amount_nano), uniqExact(partition, posting_offset, line) FROM readings"
        )
        assert (amount, distinct) == (expected.amount, expected.rows["readings"])
        ((entries, distinct),) = client.execute("SELECT sum(amount_nano), uniqExact(site, order_id) FROM entries")
        assert (entries, distinct) == (expected.entries, expected.rows["entries"])
        ((priced,),) = client.execute("SELECT sum(amount_nano) FROM pieces")
        ((split,),) = client.execute("SELECT sum(amount_nano) FROM readings WHERE version = 65535")
        assert priced == split
        # The journal's sequences have no gap.
        without_gap = "SELECT DISTINCT max(sequence) + 1 = count(), uniqExact(sequence) = count() FROM postings"
        assert client.execute(f"{without_gap} GROUP BY partition") == [(1, 1)]
        client.disconnect()

    def close(self) -> None:
        self._producer.close()
        for pipe in self._steps.values():
            os.close(pipe)
        for process in (self.clickhouse, self.kafka):
            stop_part(process)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("sink"))
    yield world
    world.close()


@pytest.fixture
def chance() -> random.Random:
    seed = int(os.environ.get("SLUICE_TEST_SEED") or random.SystemRandom().randrange(2**32))
    print(f"SLUICE_TEST_SEED={seed}")
    return random.Random(seed)


def kill(process: subprocess.Popen[str]) -> None:
    with process:
        process.kill()


def test_a_stop_and_a_start_lose_and_repeat_nothing(world: World, chance: random.Random) -> None:
    world.feed(5, chance)
    sink = world.start_sink()
    world.wait_until_caught_up()
    assert stop_part(sink) == 0
    world.check()
    world.feed(5, chance)
    sink = world.start_sink()
    world.feed(5, chance)
    world.wait_until_caught_up()
    assert stop_part(sink) == 0
    world.check()


@pytest.mark.parametrize("kills", [4, pytest.param(40, marks=pytest.mark.fuzz)])
def test_kill_9_of_the_sink_at_any_moment(world: World, chance: random.Random, kills: int) -> None:
    feeder = threading.Thread(target=world.feed, args=(12 * kills, random.Random(chance.random())))
    feeder.start()
    before = world.log().count("finishing a block") if (world.settings.log_dir / "sink.log").exists() else 0
    for _ in range(kills):
        world.wait_until_dead(world.start_sink(dies_at=chance.randint(1, STEPS_MAX)))
    sink = world.start_sink()
    feeder.join()
    world.wait_until_caught_up()
    assert stop_part(sink) == 0
    world.check()
    assert world.log().count("finishing a block") > before, "no kill fell into a block"


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.fuzz)])
def test_kill_9_of_clickhouse_while_the_sink_writes(world: World, chance: random.Random, kills: int) -> None:
    sink = world.start_sink()
    feeder = threading.Thread(target=world.feed, args=(20 * kills, random.Random(chance.random())))
    feeder.start()
    for number in range(kills):
        world.watch(sink, chance.randint(1, STEPS_MAX))
        kill(world.clickhouse)
        if number == kills - 1:
            kill(sink)
        world.clickhouse = start_part(world.settings, "clickhouse")
    sink = world.start_sink()
    feeder.join()
    world.wait_until_caught_up()
    assert stop_part(sink) == 0
    world.check()


def test_kill_9_of_kafka_while_the_sink_reads(world: World, chance: random.Random) -> None:
    world.feed(15, chance)
    sink = world.start_sink()
    world.watch(sink, chance.randint(1, STEPS_MAX))
    kill(world.kafka)
    world.kafka = start_part(world.settings, "kafka")
    world.feed(5, chance)
    world.wait_until_caught_up()
    assert stop_part(sink) == 0
    world.check()


def test_the_topic_read_again_from_offset_0_adds_no_row(world: World, chance: random.Random) -> None:
    """Into the same tables, after somebody cleared the sink's records; it is killed on the way."""
    world.feed(15, chance)
    sink = world.start_sink()
    world.wait_until_caught_up()
    assert stop_part(sink) == 0
    client = Client.from_url(clickhouse_url(world.settings))
    for table in ("sink_blocks", "sink_positions"):
        client.execute(f"TRUNCATE TABLE {table}")
    client.disconnect()
    assert world.query_positions() == {}
    for _ in range(2):
        world.wait_until_dead(world.start_sink(dies_at=chance.randint(1, STEPS_MAX)))
    sink = world.start_sink()
    world.wait_until_caught_up()
    assert stop_part(sink) == 0
    world.check()


def test_two_sinks_at_once(world: World, chance: random.Random, tmp_path: Path) -> None:
    """Even where no lock of one data directory keeps them apart, all rows are there once and one sink ends."""
    elsewhere = Settings(
        data_dir=tmp_path,
        kafka=kafka_bootstrap(world.settings),
        clickhouse=clickhouse_url(world.settings),
        partitions=PARTITIONS,
    )
    running = [world.start_sink(), world.start_sink(elsewhere)]
    feeder = threading.Thread(target=world.feed, args=(25, random.Random(chance.random())))
    feeder.start()
    ended: subprocess.Popen[str] | None = None
    deadline = time.monotonic() + CAUGHT_UP_S
    while ended is None and time.monotonic() < deadline:
        ended = next((process for process in running if process.poll() is not None), None)
        time.sleep(0.02)
    feeder.join()
    assert ended is not None, "neither noticed the other"
    world.wait_until_caught_up()
    running.remove(ended)
    with ended:
        assert ended.returncode == 1
    assert stop_part(running[0]) == 0
    logs = world.log() + (elsewhere.log_dir / "sink.log").read_text()
    assert "which runs as well" in logs
    world.check()


def test_a_stopped_sink_that_wakes_behind_another(world: World, chance: random.Random, tmp_path: Path) -> None:
    """SIGSTOP while it writes; another one takes over; then the first goes on where it was."""
    elsewhere = Settings(
        data_dir=tmp_path,
        kafka=kafka_bootstrap(world.settings),
        clickhouse=clickhouse_url(world.settings),
        partitions=PARTITIONS,
    )
    first = world.start_sink()
    feeder = threading.Thread(target=world.feed, args=(20, random.Random(chance.random())))
    feeder.start()
    world.watch(first, chance.randint(1, STEPS_MAX))
    first.send_signal(signal.SIGSTOP)
    second = world.start_sink(elsewhere)
    world.watch(second, chance.randint(1, STEPS_MAX))
    first.send_signal(signal.SIGCONT)
    feeder.join()
    world.wait_until_caught_up()
    # Which of them gives way is chance.
    for process in (first, second):
        process.send_signal(signal.SIGTERM)
        with process:
            assert process.wait(timeout=30) in (0, 1)
    world.check()
