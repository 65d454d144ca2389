"""The ledger on real Kafka, with workers killed, frozen and doubled: every record counts exactly once.

All tests share one Kafka and one history; each ends by holding all that was ever written against a replay.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from kafka import KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, MemberToRemove
from kafka.errors import NoError
from kafka.structs import OffsetAndMetadata

from infra.endpoints import kafka_bootstrap
from infra.settings import Settings
from infra.topics import LEDGER_STATE, METER_FRAMES, OFFICE_ORDERS, partition_of
from streams.server import APPLICATION, FAILED, place_id
from tests.conftest import ROOT, lend_jars, start_part, stop_part
from tests.integration.ledger_feed import Feed
from tests.ledger_replay import Tail, Topics, replay

PARTITIONS = 3
SITES = ["S1", "S2", "S3", "S4", "S5"]
PATIENCE_S = 90.0
"""How long anything may take before a test gives up; a machine that is busy makes everything slow."""


@dataclass
class Worker:
    """A ledger process and its log."""

    process: subprocess.Popen[bytes]
    log: Path

    def events(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def opened(self) -> set[object]:
        """Partitions that this process has opened and not closed."""
        partitions: set[object] = set()
        for event in self.events():
            if event["event"] == "partition opened":
                partitions.add(event["partition"])
            elif event["event"] == "partition closed":
                partitions.discard(event["partition"])
        return partitions

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def exit_status(self) -> int:
        return self.process.wait(PATIENCE_S)


class Cluster:
    """One Kafka, and the workers that a test starts on it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._kafka = start_part(settings, "kafka")
        self.bootstrap = kafka_bootstrap(settings)
        self.topics = Topics(self.bootstrap, PARTITIONS)
        self.feed = Feed(self.bootstrap, PARTITIONS, SITES)
        self._tail = Tail(self.bootstrap, PARTITIONS)
        self._taken = dict.fromkeys(range(PARTITIONS), (0, 0))
        self._workers: list[Worker] = []

    def start(self, number: int = 0) -> Worker:
        """Start a worker; returns at once."""
        log = self.settings.log_dir / f"ledger-{number}-{len(self._workers)}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "infra.run", "ledger", "--worker", str(number)]
        with log.open("wb") as stderr:
            process = subprocess.Popen(
                [*command, "--parent", str(os.getpid())],
                cwd=ROOT,
                env={**os.environ, **self.settings.to_environment()},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )
        worker = Worker(process, log)
        self._workers.append(worker)
        return worker

    def stop(self, worker: Worker) -> None:
        worker.signal(signal.SIGTERM)
        assert worker.exit_status() == 0, worker.log.read_text()[-4000:]

    def taken(self) -> dict[int, tuple[int, int]]:
        """How far each partition's inputs are taken, by its journal."""
        for number, postings in self._tail.news():
            self._taken[number] = (postings.inputs.frames.next, postings.inputs.orders.next)
        return dict(self._taken)

    def sent(self) -> dict[int, tuple[int, int]]:
        """How far each partition's inputs reach."""
        return {
            number: (self.topics.end(METER_FRAMES, number), self.topics.end(OFFICE_ORDERS, number))
            for number in range(PARTITIONS)
        }

    def wait_for_progress(self, records: int = 50) -> None:
        """Wait until this many more rounds are taken."""
        before = sum(frames for frames, _ in self.taken().values())
        self.wait_until(lambda: sum(frames for frames, _ in self.taken().values()) >= before + records)

    def wait_for_all(self) -> None:
        """Wait until everything that was sent is taken."""
        self.wait_until(lambda: self.taken() == self.sent())

    def wait_for_all_or_the_end_of(self, worker: Worker) -> None:
        self.wait_until(lambda: worker.process.poll() is not None or self.taken() == self.sent())

    def wait_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            dead = all(worker.process.poll() is not None for worker in self._workers) and not condition()
            if dead or time.monotonic() > deadline:
                logs = "\n".join(f"{worker.log.name}: {worker.log.read_text()[-2000:]}" for worker in self._workers)
                pytest.fail(f"{'no worker runs' if dead else 'waited too long'}\n{logs}")
            time.sleep(0.05)

    def check(self) -> None:
        """Hold all that was written against a replay."""
        found = [replay(self.topics, number, PARTITIONS) for number in range(PARTITIONS)]
        assert sum(one.readings for one in found) > 0
        assert {site for one in found for site in one.balances} == set(SITES)

    def restart_kafka(self) -> None:
        """Kill Kafka with -9 and start it again, on the same ports."""
        self._kafka.kill()
        self._kafka.wait()
        self._kafka = start_part(self.settings, "kafka")

    def kill_workers(self) -> None:
        for worker in self._workers:
            if worker.process.poll() is None:
                worker.process.kill()
                worker.process.wait()
        self._workers.clear()

    def close(self) -> None:
        self.feed.close()
        self.topics.close()
        self._tail.close()
        stop_part(self._kafka)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A Kafka of these tests' own: they read whole topics, which others' records would spoil."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("ledger"), kafka="", partitions=PARTITIONS)
    lend_jars(settings.data_dir)
    cluster = Cluster(settings)
    try:
        cluster.feed.open_sites()
        yield cluster
    finally:
        cluster.close()


@pytest.fixture
def cluster(served: Cluster) -> Iterator[Cluster]:
    yield served
    served.kill_workers()


def test_a_run_takes_everything_once(cluster: Cluster) -> None:
    cluster.feed.send_rounds(60)
    worker = cluster.start()
    cluster.wait_for_all()
    cluster.stop(worker)
    cluster.check()


def test_kill_9_in_the_middle_of_it_changes_nothing(cluster: Cluster) -> None:
    with cluster.feed:
        for _ in range(4):
            worker = cluster.start()
            cluster.wait_for_progress()
            worker.signal(signal.SIGKILL)
            worker.exit_status()
    worker = cluster.start()
    cluster.wait_for_all()
    cluster.stop(worker)
    cluster.check()


def test_two_workers_share_the_partitions_and_one_takes_over_when_the_other_is_killed(cluster: Cluster) -> None:
    every = set(range(PARTITIONS))
    with cluster.feed:
        first, second = cluster.start(0), cluster.start(1)
        cluster.wait_until(
            lambda: bool(first.opened()) and bool(second.opened()) and first.opened() | second.opened() == every
        )
        cluster.wait_for_progress()
        # Had one worker been given only one input of a partition, it would have ended by itself.
        assert (first.process.poll(), second.process.poll()) == (None, None)
        second.signal(signal.SIGKILL)
        second.exit_status()
        cluster.wait_until(lambda: first.opened() == every)
        cluster.wait_for_progress()
    cluster.wait_for_all()
    cluster.stop(first)
    cluster.check()


def test_a_worker_that_was_frozen_past_its_session_ends_without_doubling_anything(cluster: Cluster) -> None:
    every = set(range(PARTITIONS))
    cluster.feed.send_rounds(50)
    with cluster.feed:
        frozen = cluster.start(0)
        cluster.wait_for_progress(1)
        frozen.signal(signal.SIGSTOP)
        other = cluster.start(1)
        cluster.wait_until(lambda: other.opened() == every)
        cluster.wait_for_progress()
        frozen.signal(signal.SIGCONT)
        assert frozen.exit_status() == FAILED
        cluster.wait_for_progress()
    cluster.wait_for_all()
    cluster.stop(other)
    cluster.check()


def test_kill_9_of_kafka_changes_nothing(cluster: Cluster) -> None:
    worker = cluster.start()
    for _ in range(2):
        cluster.feed.send_rounds(60)
        cluster.wait_for_progress(1)
        cluster.restart_kafka()
        # It may have seen nothing of it; one that lost an answer ends, and is started again.
        cluster.wait_for_all_or_the_end_of(worker)
        if worker.process.poll() is not None:
            assert worker.exit_status() == FAILED
            worker = cluster.start()
    cluster.wait_for_all()
    cluster.stop(worker)
    cluster.check()


def test_the_groups_offsets_reach_the_stored_ones_though_nothing_new_comes(cluster: Cluster) -> None:
    cluster.feed.send_rounds(5)
    worker = cluster.start()
    cluster.wait_for_all()
    worker.signal(signal.SIGKILL)
    worker.exit_status()
    worker = cluster.start()
    admin = KafkaAdminClient(bootstrap_servers=cluster.bootstrap)

    def committed() -> dict[int, tuple[int, int]]:
        offsets = admin.list_group_offsets(APPLICATION)[APPLICATION]
        found = {place: offset.offset for place, offset in offsets.items()}
        return {
            number: (
                found.get(TopicPartition(METER_FRAMES, number), 0),
                found.get(TopicPartition(OFFICE_ORDERS, number), 0),
            )
            for number in range(PARTITIONS)
        }

    # What the killed worker committed can be all there is: the other one is to have begun before it is told to end.
    cluster.wait_until(lambda: len(worker.opened()) == PARTITIONS and committed() == cluster.sent())
    admin.close()
    cluster.stop(worker)


def test_a_group_offset_beyond_the_stored_one_passes_nothing_over(cluster: Cluster) -> None:
    cluster.feed.send_rounds(5)
    worker = cluster.start()
    cluster.wait_for_all()
    cluster.stop(worker)
    cluster.feed.send_rounds(20)
    admin = KafkaAdminClient(bootstrap_servers=cluster.bootstrap)
    # A worker that stops stays a member until its session ends; offsets are only set for a group without members.
    member = f"{APPLICATION}-{place_id(cluster.settings.data_dir)}-0"
    admin.remove_group_members(APPLICATION, [MemberToRemove(group_instance_id=member)])
    beyond = {
        TopicPartition(METER_FRAMES, number): OffsetAndMetadata(frames, "", -1)
        for number, (frames, _) in cluster.sent().items()
    }
    assert set(admin.alter_group_offsets(APPLICATION, beyond).values()) == {NoError}
    admin.close()
    worker = cluster.start()
    cluster.wait_for_all()
    cluster.stop(worker)
    cluster.check()


def test_state_that_cannot_be_read_stops_the_worker_until_it_is_gone(cluster: Cluster) -> None:
    number = partition_of(b"S1", PARTITIONS)
    producer = KafkaProducer(bootstrap_servers=cluster.bootstrap)
    producer.send(LEDGER_STATE, key=b"S9/meters/0", value=b"no page", partition=number)
    producer.flush()
    worker = cluster.start()
    assert worker.exit_status() == FAILED
    assert "S9/meters/0" in worker.log.read_text() or "meters/0" in worker.log.read_text()
    producer.send(LEDGER_STATE, key=b"S9/meters/0", value=None, partition=number)
    producer.close()
    cluster.feed.send_rounds(5)
    worker = cluster.start()
    cluster.wait_for_all()
    cluster.stop(worker)
