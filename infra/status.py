"""How a running Sluice does: its processes, how much is in each topic, and how far behind its readers are."""

import contextlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from clickhouse_driver import Client
from clickhouse_driver.errors import Error
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient, OffsetSpec
from kafka.errors import KafkaError

from infra.endpoints import EndpointError, clickhouse_url, kafka_bootstrap, running
from infra.parts import members
from infra.settings import Settings
from infra.supervisor.supervisor import NAME as SUPERVISOR
from infra.topics import LEDGER_GROUP, LEDGER_POSTINGS, METER_FRAMES, OFFICE_ORDERS, TOPICS
from sinks.clickhouse.positions import positions

T = TypeVar("T")

_COMMITTED: Final = 1
"""Kafka's number for reading only what is committed."""


@dataclass(frozen=True, slots=True)
class Process:
    """One part's process; `pid` is None if it does not run."""

    name: str
    pid: int | None
    uptime_s: int | None
    ports: dict[str, int]


@dataclass(frozen=True, slots=True)
class Lag:
    """How many records of a topic a reader has not taken yet; None if it has not begun to read."""

    reader: str
    topic: str
    behind: int | None


@dataclass(frozen=True, slots=True)
class Sample:
    """What is where at one moment.

    Attributes:
        at: Seconds of a clock that only goes forward.
        ends: Offset of the next record, summed over a topic's partitions; empty if Kafka does not run.
        readings: Rows of ClickHouse's `readings`; None if it does not answer.
    """

    at: float
    ends: dict[str, int]
    lags: tuple[Lag, ...]
    readings: int | None


@dataclass(frozen=True, slots=True)
class Rates:
    """What came in between two samples, a second."""

    records: dict[str, int]
    readings: int | None


def rates(before: Sample, after: Sample) -> Rates:
    """The rates between two samples of one `Gauges`."""
    seconds = after.at - before.at

    def rate(old: int, new: int) -> int:
        return round((new - old) / seconds) if seconds > 0 else 0

    both = before.readings is not None and after.readings is not None
    return Rates(
        records={topic: rate(before.ends.get(topic, end), end) for topic, end in after.ends.items()},
        readings=rate(before.readings or 0, after.readings or 0) if both else None,
    )


def processes(settings: Settings) -> tuple[Process, ...]:
    """The supervisor and all parts that these settings ask for, running or not."""
    return tuple(_process(settings, name) for name in (SUPERVISOR, *(member.name for member in members(settings))))


class Gauges:
    """Takes samples over connections that it keeps; to be closed.

    A server that does not run is left out of the samples. One that does not answer raises its client's error, or is
    left out as well.

    Args:
        lenient: Leave out who does not answer; `away` says why.
    """

    def __init__(self, settings: Settings, *, lenient: bool = False) -> None:
        self._settings = settings
        self._lenient = lenient
        self.away: dict[str, str] = {}
        """By part what its client said."""
        self._kafka = self._ask("kafka", lambda: _open_kafka(settings), None)
        self._clickhouse = self._ask("clickhouse", lambda: _open_clickhouse(settings), None)

    def sample(self) -> Sample:
        """Look at everything once."""
        at = time.monotonic()
        ends: dict[TopicPartition, int] = {}
        none: list[Lag] = []
        ledger_lags = none
        if self._kafka is not None:
            ends = self._ask("kafka", lambda: _ends(self._kafka, self._settings.partitions), ends)
            ledger_lags = self._ask("kafka", lambda: self._ledger_lags(ends), none)
        if not ends:
            return Sample(at, {}, (), self._ask("clickhouse", self._rows, None))
        totals = Counter(dict.fromkeys(TOPICS, 0))
        for partition, end in ends.items():
            totals[partition.topic] += end
        sink_lags = self._ask("clickhouse", lambda: self._sink_lags(ends), none)
        rows = self._ask("clickhouse", self._rows, None)
        return Sample(at, dict(totals), (*ledger_lags, *sink_lags), rows)

    def _ask(self, part: str, question: Callable[[], T], otherwise: T) -> T:
        """What a server answers; nobody is asked again who has not answered."""
        if part in self.away:
            return otherwise
        try:
            return question()
        except (KafkaError, Error, OSError, EOFError) as error:
            if not self._lenient:
                raise
            lines = str(error).strip().splitlines() or [type(error).__name__]
            self.away[part] = lines[0]
            return otherwise

    def close(self) -> None:
        if self._kafka is not None:
            self._kafka.close()
        if self._clickhouse is not None:
            self._clickhouse.disconnect()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _rows(self) -> int | None:
        if self._clickhouse is None:
            return None
        ((rows,),) = self._clickhouse.execute("SELECT count() FROM readings")
        return int(rows)

    def _ledger_lags(self, ends: dict[TopicPartition, int]) -> list[Lag]:
        """Of the consumer group, whose offsets follow what the ledger has committed to its state."""
        committed: dict[TopicPartition, Any] = self._kafka.list_group_offsets(LEDGER_GROUP).get(LEDGER_GROUP, {})
        taken = {partition: found.offset for partition, found in committed.items() if found.offset >= 0}
        return [_lag("ledger", topic, ends, taken, marked=False) for topic in (METER_FRAMES, OFFICE_ORDERS)]

    def _sink_lags(self, ends: dict[TopicPartition, int]) -> list[Lag]:
        if self._clickhouse is None:
            return []
        written = {
            TopicPartition(LEDGER_POSTINGS, partition): offset
            for partition, offset in positions(self._clickhouse).items()
        }
        return [_lag("sink", LEDGER_POSTINGS, ends, written, marked=True)]


def _lag(
    reader: str, topic: str, ends: dict[TopicPartition, int], taken: dict[TopicPartition, int], *, marked: bool
) -> Lag:
    """The sum over the topic's partitions.

    Args:
        marked: Whether records come in transactions, each of which ends in a marker that takes an offset. The last one
            comes after all that a reader can take, and is not counted.
    """
    behind = [
        max(0, end - taken.get(partition, 0) - marked)
        for partition, end in ends.items()
        if partition.topic == topic and end > 0
    ]
    return Lag(reader, topic, sum(behind) if taken or not behind else None)


def _ends(admin: KafkaAdminClient, partitions: int) -> dict[TopicPartition, int]:
    asked = {TopicPartition(topic, number): OffsetSpec.LATEST for topic in TOPICS for number in range(partitions)}
    # What an open transaction has written is not there yet for anyone.
    found = admin.list_partition_offsets(asked, isolation_level=_COMMITTED)
    return {partition: int(at.offset) for partition, at in found.items()}


def _open_kafka(settings: Settings) -> Any:
    try:
        bootstrap = kafka_bootstrap(settings)
    except EndpointError:
        return None
    return KafkaAdminClient(
        bootstrap_servers=bootstrap.split(","), bootstrap_timeout_ms=5000, client_id="sluice-status"
    )


def _open_clickhouse(settings: Settings) -> Any:
    with contextlib.suppress(EndpointError):
        return Client.from_url(clickhouse_url(settings))
    return None


def _process(settings: Settings, name: str) -> Process:
    record = running(settings, name)
    if record is None:
        return Process(name, None, None, {})
    uptime = datetime.now(UTC) - datetime.fromisoformat(record.started_at)
    return Process(name, record.pid, int(uptime.total_seconds()), record.ports)
