"""What one ledger worker drains from Kafka, exactly once into state and postings; beside it a Faust table.

Kafka is the embedded one, topics are filled before the worker starts, prices are time-of-use × tier. Cases: rounds of
256 readings (a concentrator speaking DL/T645) and of 16 (a Modbus gateway). `faust-table` does the same work the usual
way: one JSON event and one table write a reading. Where other processes share the machine, `readings_per_cpu_s` tells
more than `readings_per_s`.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient

from collectors.wire.round import Block, Round, encode_round
from infra.endpoints import kafka_bootstrap
from infra.settings import Settings
from infra.topics import LEDGER_POSTINGS, METER_FRAMES, OFFICE_ORDERS, partition_of
from streams.postings import decode_postings
from streams.server import APPLICATION
from tests.conftest import ROOT, lend_jars, start_part, stop_part
from tests.ledger_inputs import BEGIN_MS, DLT645, MODBUS, energy_frames, opening_orders, relay_frames

PARTITIONS = 4
HALF_HOUR_MS = 1_800_000
TABLE_READINGS = 20_000
TABLE_TIMEOUT_S = 300


@dataclass(frozen=True, slots=True)
class Case:
    """A way in which some 20,000 meters are spread over gateways."""

    name: str
    template: str
    round_size: int
    gateways: int
    """Of each site; there is a site for every partition."""
    rounds: int

    @property
    def readings(self) -> int:
        return PARTITIONS * self.gateways * self.round_size * self.rounds


CASES = (Case("256", DLT645, 256, 10, 150), Case("16", MODBUS, 16, 160, 50))


def results() -> Iterator[dict[str, object]]:
    """One figure a case, each with a broker of its own: no case pays for what another left behind."""
    for case in CASES:
        with _kafka() as settings:
            yield _drain(settings, case)
    with _kafka() as settings:
        yield _drain_into_table(settings)


@contextmanager
def _kafka() -> Iterator[Settings]:
    """The settings of an empty embedded Kafka that runs."""
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder:
        settings = Settings(data_dir=Path(folder), kafka="", partitions=PARTITIONS, log_level="warning")
        lend_jars(settings.data_dir)
        server = start_part(settings, "kafka")
        try:
            yield settings
        finally:
            stop_part(server)


def _drain(settings: Settings, case: Case) -> dict[str, object]:
    bootstrap = kafka_bootstrap(settings)
    sites = _sites(case)
    _send_orders(bootstrap, sites, case)
    _work(settings, bootstrap)
    counted = _counted(bootstrap)
    _send_rounds(bootstrap, sites, case)
    seconds, cpu_seconds = _work(settings, bootstrap)
    taken = _counted(bootstrap) - counted
    if taken != case.readings:
        raise AssertionError(f"{case.readings} readings were sent, {taken} are in the postings")
    return {
        "bench": "ledger",
        "case": case.name,
        "readings_per_s": round(case.readings / seconds),
        "readings_per_cpu_s": round(case.readings / cpu_seconds),
    }


def _work(settings: Settings, bootstrap: str) -> tuple[float, float]:
    """Run a worker until it has taken everything; its seconds from being ready, and those of CPU."""
    worker = start_part(settings, "ledger")
    try:
        began = time.time()
        process = psutil.Process(worker.pid)
        before = process.cpu_times()
        _wait_until_taken(bootstrap, worker)
        after = process.cpu_times()
        cpu_seconds = after.user + after.system - before.user - before.system
        return _last_written_at(bootstrap) - began, cpu_seconds
    finally:
        if stop_part(worker) != 0:
            raise AssertionError("the worker did not end well")


def _wait_until_taken(bootstrap: str, worker: subprocess.Popen[str]) -> None:
    """Until the group's offsets, which the ledger acknowledges when they are written, reach the inputs' ends."""
    places = [TopicPartition(topic, number) for topic in (METER_FRAMES, OFFICE_ORDERS) for number in range(PARTITIONS)]
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=None)
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    ends = {place: end for place, end in consumer.end_offsets(places).items() if end}
    while worker.poll() is None:
        offsets = admin.list_group_offsets(APPLICATION)[APPLICATION]
        if all(place in offsets and offsets[place].offset >= end for place, end in ends.items()):
            break
        time.sleep(0.2)
    admin.close()
    consumer.close()


def _last_written_at(bootstrap: str) -> float:
    """When the broker appended the last postings."""
    found = 0
    for place, end, consumer in _postings(bootstrap):
        # The last offset is the transaction's marker, which is no record.
        consumer.seek(place, max(end - 2, 0))
        while consumer.position(place) < end:
            for records in consumer.poll(timeout_ms=500).values():
                found = max(found, *(record.timestamp for record in records))
    return found / 1000


def _counted(bootstrap: str) -> int:
    """Readings in all postings that are committed."""
    count = 0
    for place, end, consumer in _postings(bootstrap):
        consumer.seek_to_beginning(place)
        while consumer.position(place) < end:
            for records in consumer.poll(timeout_ms=500).values():
                count += sum(len(decode_postings(record.value).outcome.readings) for record in records)
    return count


def _postings(bootstrap: str) -> Iterator[tuple[TopicPartition, int, KafkaConsumer]]:
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap, group_id=None, isolation_level="read_committed", enable_auto_commit=False
    )
    for number in range(PARTITIONS):
        place = TopicPartition(LEDGER_POSTINGS, number)
        consumer.assign([place])
        if end := consumer.end_offsets([place])[place]:
            yield place, end, consumer
    consumer.close()


def _sites(case: Case) -> list[str]:
    """A site in each partition."""
    found: dict[int, str] = {}
    number = 0
    while len(found) < PARTITIONS:
        site = f"B{case.name}-{number}"
        found.setdefault(partition_of(site.encode(), PARTITIONS), site)
        number += 1
    return [found[number] for number in range(PARTITIONS)]


def _producer(bootstrap: str) -> KafkaProducer:
    return KafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=20, batch_size=1 << 20)


def _send_orders(bootstrap: str, sites: list[str], case: Case) -> None:
    producer = _producer(bootstrap)
    gateways = [f"G{number}" for number in range(case.gateways)]
    for number, site in enumerate(sites):
        for value in opening_orders(
            site, gateways, range(1, case.round_size + 1), template=case.template, recharge="100000"
        ):
            producer.send(OFFICE_ORDERS, key=site.encode(), value=value, partition=number)
    producer.flush()
    producer.close()


def _send_rounds(bootstrap: str, sites: list[str], case: Case) -> None:
    """Half-hourly rounds; the gateways of all sites answer alike, only their names differ."""
    producer = _producer(bootstrap)
    random = np.random.default_rng(1)
    addresses = np.arange(1, case.round_size + 1, dtype=np.uint64)
    registers = np.zeros(case.round_size, np.int64)
    for number in range(case.rounds):
        at = BEGIN_MS + (number + 1) * HALF_HOUR_MS
        registers += random.integers(0, 150, case.round_size)
        read_at = np.full(case.round_size, at)
        energy = energy_frames(case.template, addresses, registers)
        relay = relay_frames(case.template, addresses, on=True)
        blocks = tuple(
            Block(case.template, item, addresses, read_at, frames.shape[1], None, frames.tobytes())
            for item, frames in (("energy", energy), ("relay", relay))
        )
        for gateway in range(case.gateways):
            for partition, site in enumerate(sites):
                value = encode_round(Round(site, f"G{gateway}", at + 500, blocks))
                producer.send(METER_FRAMES, key=site.encode(), value=value, partition=partition)
    producer.flush()
    producer.close()


def _drain_into_table(settings: Settings) -> dict[str, object]:
    folder = str(settings.data_dir / "table")
    command = [sys.executable, "-m", "tests.bench.faust_table", kafka_bootstrap(settings), str(TABLE_READINGS), folder]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=TABLE_TIMEOUT_S)
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return {"bench": "ledger", "case": "faust-table", **found}
