"""`ledger.postings` by partition and offset: a Kafka consumer without a group, whose positions others keep."""

import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError, OffsetOutOfRangeError

from sinks.clickhouse.blocks import Span
from sinks.clickhouse.sink import Gathered, Record
from sinks.errors import AwayError, GapError

IDLE_S: Final = 0.5
"""How long `gather` waits for a first record before it returns with nothing."""
POLL_RECORDS: Final = 32
"""Records that are unpacked at a time, so that what waits behind a full block is small too."""


class PostingsReader:
    """A consumer of committed records of all partitions of a topic.

    What it holds is bounded: one block, `POLL_RECORDS` records behind it, and the answers to one fetch from each
    broker. While nobody gathers, nothing is fetched.

    Args:
        bootstrap: Kafka's bootstrap servers.
        block_bytes: A block takes no further record that would make it larger; a larger record is a block.
        linger_s: How long a block waits for more records after its first.
    Raises:
        AwayError: No broker answers.
    """

    def __init__(self, bootstrap: str, topic: str, *, block_bytes: int, linger_s: float) -> None:
        self._topic = topic
        self._block_bytes = block_bytes
        self._linger_s = linger_s
        self._behind: deque[Record] = deque()
        self._begun: dict[Any, int] = {}
        """Where the next span of each partition begins."""
        with _away():
            self._consumer = KafkaConsumer(
                bootstrap_servers=bootstrap,
                client_id="sluice-sink",
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="none",
                # The ledger writes in transactions; what it aborted never happened.
                isolation_level="read_committed",
                allow_auto_create_topics=False,
                fetch_max_bytes=32 << 20,
                max_partition_fetch_bytes=8 << 20,
                # The checksum is computed in Python, a hundred times slower than all the rest.
                check_crcs=False,
            )

    def seek(self, positions: Mapping[int, int]) -> None:
        """See `Source.seek`."""
        self._behind.clear()
        known = self._partitions()
        if lost := set(positions) - known:
            raise GapError(f"{self._topic} has {len(known)} partitions and positions in {sorted(lost)}")
        begins, ends = self._kept(known)
        begun = {}
        for place, begin in begins.items():
            position = positions.get(place.partition)
            if position is None:
                # A sink that has written anything would have a position here if there had been a posting.
                if positions and begin:
                    raise GapError(f"partition {place.partition}: postings before {begin} are gone, unread")
                position = begin
            _check_kept(place, position, begin, ends[place])
            begun[place] = position
        self._consumer.assign(list(begun))
        for place, position in begun.items():
            self._consumer.seek(place, position)
        self._begun = begun

    def gather(self) -> Gathered:
        """See `Source.gather`."""
        taken: list[Record] = []
        size = 0
        deadline = time.monotonic() + IDLE_S
        while True:
            while self._behind:
                size += len(self._behind[0].value)
                if taken and size > self._block_bytes:
                    return Gathered(self._take_spans(), taken)
                if not taken:
                    deadline = time.monotonic() + self._linger_s
                taken.append(self._behind.popleft())
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return Gathered(self._take_spans(), taken)
            self._behind.extend(self._poll(remaining))

    def read(self, spans: Sequence[Span]) -> list[Record]:
        """See `Source.read`."""
        self._behind.clear()
        ends_by_partition = {span.partition: span.next for span in spans}
        begins, ends = self._kept(ends_by_partition)
        self._consumer.assign(list(begins))
        for span in spans:
            place = self._place(span.partition)
            _check_kept(place, span.first, begins[place], ends[place])
            _check_kept(place, span.next, begins[place], ends[place])
            self._consumer.seek(place, span.first)
        records: list[Record] = []
        missing = set(begins)
        while missing:
            records.extend(
                record for record in self._poll(IDLE_S) if record.offset < ends_by_partition[record.partition]
            )
            for place in list(missing):
                if self._consumer.position(place) >= ends_by_partition[place.partition]:
                    missing.remove(place)
                    self._consumer.pause(place)
        return records

    def close(self) -> None:
        """Leave the brokers."""
        self._consumer.close()

    def _take_spans(self) -> tuple[Span, ...]:
        # A partition's span ends before its first record that waits behind; without one, where the consumer
        # stands, which is beyond a last marker: once Kafka has deleted all postings up to there, a position
        # before it would look like a loss.
        first_behind: dict[int, int] = {}
        for record in self._behind:
            first_behind.setdefault(record.partition, record.offset)
        spans = []
        for place, begun in self._begun.items():
            end = first_behind.get(place.partition)
            if end is None:
                end = self._consumer.position(place)
            if end > begun:
                spans.append(Span(place.partition, begun, end))
                self._begun[place] = end
        return tuple(spans)

    def _poll(self, wait_s: float) -> Iterator[Record]:
        try:
            polled = self._consumer.poll(timeout_ms=max(1, round(wait_s * 1000)), max_records=POLL_RECORDS)
        except OffsetOutOfRangeError as error:
            raise GapError(f"postings are gone, unread: {error}") from error
        for records in polled.values():
            for record in records:
                yield Record(record.partition, record.offset, record.value)

    def _partitions(self) -> set[int]:
        with _away():
            known: set[int] | None = self._consumer.partitions_for_topic(self._topic)
        if not known:
            raise AwayError(f"the topic {self._topic} does not exist")
        return known

    def _kept(self, partitions: Iterable[int]) -> tuple[dict[Any, int], dict[Any, int]]:
        """The first offset that Kafka keeps of each partition, and the one behind the last committed."""
        places = [self._place(partition) for partition in sorted(partitions)]
        with _away():
            return self._consumer.beginning_offsets(places), self._consumer.end_offsets(places)

    def _place(self, partition: int) -> Any:
        return TopicPartition(self._topic, partition)


@contextmanager
def _away() -> Iterator[None]:
    try:
        yield
    except KafkaError as error:
        raise AwayError(f"Kafka: {type(error).__name__}: {error}") from error


def _check_kept(place: Any, position: int, begin: int, end: int) -> None:
    if position < begin:
        raise GapError(f"partition {place.partition}: postings {position} to {begin} are gone, unread")
    if position > end:
        raise GapError(f"partition {place.partition}: {place.topic} ends at {end}, before position {position}")
