"""Kafka, ClickHouse and a stand-in for the ledger: the world of a sink that is killed at every step."""

import os
import random
import select
import subprocess
import sys
import time
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
from tests.integration.clickhouse_cluster import NAME, TwoShards
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
        self.start_clickhouse()
        self.sent: list[Postings] = []
        self._steps: dict[int, int] = {}
        """By process: the pipe by which a sink tells of its steps."""
        self._postings = made_postings(partitions=PARTITIONS, batches=10_000, meters=20, count=60, seed=3)
        self._producer = self._new_producer()

    def start_clickhouse(self) -> None:
        """Start the database, for the first time or after it was killed."""
        self.clickhouse = start_part(self.settings, "clickhouse")

    def kill_clickhouse(self, chance: random.Random) -> None:
        """With -9; of a cluster any server."""
        kill(self.clickhouse)

    def asked(self) -> str:
        """The address of the database that has all rows."""
        return clickhouse_url(self.settings)

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
        client = Client.from_url(self.asked())
        try:
            return sinks.positions(client)
        finally:
            client.disconnect()

    def check(self) -> None:
        """All rows of what was sent, once, and their sums."""
        expected = totals(self.sent)
        client = Client.from_url(self.asked())
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
        self.stop_clickhouse()
        stop_part(self.kafka)

    def stop_clickhouse(self) -> None:
        stop_part(self.clickhouse)


class ClusterWorld(World):
    """The same with a cluster of two shards."""

    def __init__(self, folder: Path) -> None:
        (folder / "cluster").mkdir()
        self.shards = TwoShards(folder / "cluster")
        self._killed = 0
        super().__init__(folder)

    def start_clickhouse(self) -> None:
        if self.shards.servers[self._killed].poll() is not None:
            self.shards.start_again(self._killed)
        else:
            cluster = {"clickhouse": self.shards.url(), "clickhouse_cluster": NAME}
            self.settings = self.settings.model_copy(update=cluster)
            # Where a cluster is named, the part only brings the schema of its servers up to date.
            with start_part(self.settings, "clickhouse") as part:
                assert part.wait(timeout=CAUGHT_UP_S) == 0
            self._asked = self.shards.gathered()

    def kill_clickhouse(self, chance: random.Random) -> None:
        self._killed = chance.randrange(2)
        self.shards.kill(self._killed)

    def asked(self) -> str:
        return self._asked

    def stop_clickhouse(self) -> None:
        self.shards.close()


def kill(process: subprocess.Popen[str]) -> None:
    """With -9."""
    with process:
        process.kill()
