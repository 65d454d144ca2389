"""The sink's process: ledger.postings -> ClickHouse until it is told to end."""

import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Final

import structlog

from infra.endpoints import EndpointError, announce_ready, clickhouse_url, kafka_bootstrap
from infra.process import locked
from infra.settings import Settings
from infra.topics import LEDGER_POSTINGS, METER_FRAMES
from sinks.clickhouse.blocks import Blocks
from sinks.clickhouse.frames import FramesCopy
from sinks.clickhouse.positions import SINK
from sinks.clickhouse.reader import PostingsReader
from sinks.clickhouse.shards import ShardedStore
from sinks.clickhouse.sink import Sink
from sinks.clickhouse.writer import ClickHouseStore
from sinks.errors import AwayError, GapError, SinkError

log = structlog.get_logger(__name__)

PART: Final = "sink"
BLOCK_BYTES: Final = 16 << 20
"""Of postings in one block: some 200,000 readings. It bounds the memory: two blocks at most are held."""
LINGER_S: Final = 0.5
"""How long a block waits for more postings: what a row is late at most when little comes."""
RAW_BYTES: Final = 4 << 20
"""Of rounds that are copied together."""
RAW_S: Final = 2.0
"""How long raw frames wait for more."""
RETRY_S: Final = (0.1, 10.0)
"""The first and the longest pause before Kafka and the database are tried again."""
LOCK_S: Final = 5.0
"""How long a sink that was killed a moment ago may take to be gone."""


def main(settings: Settings) -> None:
    """Run the sink until SIGTERM or SIGINT; a block that is being written is finished first.

    Raises:
        SystemExit: With 1, if something is wrong that waiting does not mend; the log says what.
        LockedError: Another sink runs on this data directory.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with locked(settings.run_dir / "sink.lock", wait_s=LOCK_S):
        copying = threading.Thread(target=copy_frames, args=(settings, stop), name="frames")
        if settings.raw_days:
            copying.start()
        try:
            _run(settings, stop)
        except SinkError as error:
            log.error("the sink cannot go on", reason=f"{type(error).__name__}: {error}")
            raise SystemExit(1) from error
        finally:
            stop.set()
            if settings.raw_days:
                copying.join()


def copy_frames(settings: Settings, stop: threading.Event) -> None:
    """Copy raw frames until `stop`; that it cannot go on is told, and does not hold up what counts money."""
    failures = 0
    while not stop.is_set():
        try:
            reader = PostingsReader(kafka_bootstrap(settings), METER_FRAMES, block_bytes=RAW_BYTES, linger_s=RAW_S)
            with closing(reader), closing(FramesCopy(clickhouse_url(settings), reader)) as copy:
                copy.recover()
                while not stop.is_set():
                    copy.step()
                    failures = 0
        except (AwayError, EndpointError, GapError) as error:
            # A gap: what Kafka has no more cannot be copied; the copy takes up what it has.
            pause = min(RETRY_S[0] * 2**failures, RETRY_S[1])
            failures += 1
            log.warning("copying raw frames again", reason=str(error), failures=failures, pause_s=pause)
            stop.wait(pause)
        except Exception as error:
            log.error("raw frames are no longer copied", reason=f"{type(error).__name__}: {error}")
            return


def _run(settings: Settings, stop: threading.Event) -> None:
    claimed_by = f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex[:12]}"
    ready = False
    failures = 0
    while not stop.is_set():
        try:
            with _opened(settings, claimed_by) as sink:
                sink.recover()
                if not ready:
                    announce_ready(settings, PART)
                    ready = True
                while not stop.is_set():
                    sink.step()
                    failures = 0
        except (AwayError, EndpointError) as error:
            # Nothing is lost by waiting: the postings are in Kafka, the unfinished block in the database.
            pause = min(RETRY_S[0] * 2**failures, RETRY_S[1])
            failures += 1
            log.warning("trying again", reason=str(error), failures=failures, pause_s=pause)
            stop.wait(pause)


@contextmanager
def _opened(settings: Settings, claimed_by: str) -> Iterator[Sink]:
    """A sink with new connections, looked up anew: a server that was started again may be elsewhere."""
    with closing(_store(settings)) as store:
        reader = PostingsReader(kafka_bootstrap(settings), LEDGER_POSTINGS, block_bytes=BLOCK_BYTES, linger_s=LINGER_S)
        # Left in the opposite order: what is being gathered ends before the reader is closed.
        with closing(reader), ThreadPoolExecutor(max_workers=1, thread_name_prefix="gather") as ahead:
            blocks = Blocks(store, sink=SINK, claimed_by=claimed_by, clock=time.monotonic)
            yield Sink(
                blocks=blocks,
                source=reader,
                load_registry=store.registry,
                shard_of=store.shard_of if isinstance(store, ShardedStore) else None,
                ahead=ahead,
            )


def _store(settings: Settings) -> ClickHouseStore | ShardedStore:
    if settings.clickhouse_cluster:
        return ShardedStore(clickhouse_url(settings), settings.clickhouse_cluster, sink=SINK)
    return ClickHouseStore(clickhouse_url(settings), sink=SINK)
