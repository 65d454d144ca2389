"""What the sink writes into ClickHouse a second, from Kafka to acknowledged rows, on its real servers.

Postings of 20,000 readings each, every seventh of which is in two pieces. `columns` is the part of it that is the
process's own work besides reading and sending.
"""

import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

from kafka import KafkaProducer

from infra.endpoints import clickhouse_url, kafka_bootstrap
from infra.settings import Settings
from infra.topics import LEDGER_POSTINGS
from sinks.clickhouse.blocks import Blocks
from sinks.clickhouse.columns import table_rows
from sinks.clickhouse.reader import PostingsReader
from sinks.clickhouse.registry import Registry
from sinks.clickhouse.sink import Sink
from sinks.clickhouse.tables import Posted
from sinks.clickhouse.writer import ClickHouseStore
from sinks.server import BLOCK_BYTES
from streams.postings import Postings, encode_postings
from tests.conftest import lend_jars, start_part, stop_part
from tests.sink_postings import made_postings, totals

METERS = 5000
READINGS = 20_000


def results() -> Iterator[dict[str, object]]:
    """Rows a second, all tables together."""
    yield {"bench": "sink", "case": "columns", "rows_per_s": _columns()}
    postings = list(made_postings(partitions=3, batches=40, meters=METERS, count=READINGS, seed=1))
    with _servers() as settings:
        _produce(settings, postings)
        yield {"bench": "sink", "rows_per_s": _drain(settings, sum(totals(postings).rows.values()))}


def _columns() -> int:
    postings = list(made_postings(partitions=3, batches=5, meters=METERS, count=READINGS, seed=1))
    posted = [Posted(each.partition, each.sequence, each) for each in postings]
    registry = Registry()
    # What introduces the meters is taken beforehand; it comes once.
    table_rows(posted[:3], registry)
    rows = 0
    started = time.perf_counter()
    for _ in range(5):
        rows += sum(table.count for table in table_rows(posted[3:], registry))
    return round(rows / (time.perf_counter() - started))


def _produce(settings: Settings, postings: list[Postings]) -> None:
    producer = KafkaProducer(
        bootstrap_servers=kafka_bootstrap(settings), compression_type="lz4", max_request_size=8 << 20
    )
    for each in postings:
        producer.send(LEDGER_POSTINGS, encode_postings(each), partition=each.partition)
    producer.flush()
    producer.close()


def _drain(settings: Settings, expected: int) -> int:
    store = ClickHouseStore(clickhouse_url(settings), sink="clickhouse")
    reader = PostingsReader(kafka_bootstrap(settings), LEDGER_POSTINGS, block_bytes=BLOCK_BYTES, linger_s=0.1)
    with closing(store), closing(reader), ThreadPoolExecutor(max_workers=1) as ahead:
        blocks = Blocks(store, sink="clickhouse", claimed_by="bench", clock=time.monotonic)
        sink = Sink(blocks=blocks, source=reader, load_registry=store.registry, ahead=ahead)
        sink.recover()
        written = 0
        started = time.perf_counter()
        while written < expected:
            written += sink.step()
        return round(written / (time.perf_counter() - started))


@contextmanager
def _servers() -> Iterator[Settings]:
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder:
        settings = Settings(data_dir=Path(folder), kafka="", clickhouse="", partitions=3, replication=1)
        lend_jars(settings.data_dir)
        running = [start_part(settings, "kafka"), start_part(settings, "clickhouse")]
        try:
            yield settings
        finally:
            for process in reversed(running):
                stop_part(process)
