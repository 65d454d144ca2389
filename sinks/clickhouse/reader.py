"""`ledger.postings` by partition and offset: a Kafka consumer without a group, whose positions others keep."""

import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError, LogTruncationError, OffsetOutOfRangeError

from sinks.clickhouse.blocks import Span
from sinks.clickhouse.sink import Gathered, Record
from sinks.errors import AwayError, GapError

IDLE_S: Final = 0.5
"""How long `gather` waits for a first record before it returns with nothing."""
SILENCE_S: Final = 30.0
"""How long postings that are there may take to come."""
POLL_RECORDS: Final = 32
"""Records that are unpacked at a time, so that what waits behind a full block is small too."""
FETCH_BYTES: Final = 32 << 20
"""What a broker answers at most at a time, but for a single record that is larger."""
PARTITION_FETCH_BYTES: Final = 8 << 20
"""The same of one partition."""


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
        self._bootstrap = bootstrap
        self._consumer = self._connect()
        self._silent_s = 0.0
        self._ends: dict[Any, int] = {}
        """The ends of the partitions when it was last silent for long."""

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
        _assign(self._consumer, begun)
        self._begun = begun

    def gather(self) -> Gathered:
        """See `Source.gather`."""
        self._check_silence()
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
                self._silent_s = 0.0 if taken else self._silent_s + IDLE_S
                return Gathered(self._take_spans(), taken)
            self._behind.extend(_poll(self._consumer, remaining))

    def read(self, spans: Sequence[Span]) -> list[Record]:
        """See `Source.read`."""
        ends_by_partition = {span.partition: span.next for span in spans}
        begins, ends = self._kept(ends_by_partition)
        firsts = {self._place(span.partition): span.first for span in spans}
        for place, first in firsts.items():
            _check_kept(place, first, begins[place], ends[place])
            _check_kept(place, ends_by_partition[place.partition], begins[place], ends[place])
        # A consumer of its own, which goes forward once: sent back and forth, kafka-python's can hold on to an
        # answer from before and never ask again.
        with closing(self._connect()) as consumer:
            _assign(consumer, firsts)
            records: list[Record] = []
            deadline = time.monotonic() + SILENCE_S
            while any(_position(consumer, place) < ends_by_partition[place.partition] for place in firsts):
                if time.monotonic() > deadline:
                    raise AwayError(f"Kafka did not give the postings of {len(spans)} spans in {SILENCE_S:.0f} s")
                polled = _poll(consumer, IDLE_S)
                records += (record for record in polled if record.offset < ends_by_partition[record.partition])
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
                end = _position(self._consumer, place)
            if end > begun:
                spans.append(Span(place.partition, begun, end))
                self._begun[place] = end
        return tuple(sorted(spans))

    def _check_silence(self) -> None:
        """Never wait for good on a consumer that has stopped asking."""
        if self._silent_s < SILENCE_S:
            return
        self._silent_s = 0.0
        with _away():
            positions = {place: self._consumer.position(place) for place in self._begun}
            silent = [place.partition for place, end in self._ends.items() if positions[place] < end]
            if silent:
                raise AwayError(f"Kafka had postings in partitions {silent} that did not come in {SILENCE_S:.0f} s")
            self._ends = self._consumer.end_offsets(list(positions))

    def _connect(self) -> Any:
        with _away():
            return KafkaConsumer(
                bootstrap_servers=self._bootstrap,
                bootstrap_timeout_ms=5000,
                # A broker that was away for long is not waited for much longer than it was.
                reconnect_backoff_max_ms=1000,
                client_id="sluice-sink",
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="none",
                # The ledger writes in transactions; what it aborted never happened.
                isolation_level="read_committed",
                allow_auto_create_topics=False,
                fetch_max_bytes=FETCH_BYTES,
                max_partition_fetch_bytes=PARTITION_FETCH_BYTES,
                # The checksum is computed in Python, a hundred times slower than all the rest.
                check_crcs=False,
            )

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


def _assign(consumer: Any, positions: Mapping[Any, int]) -> None:
    consumer.assign(list(positions))
    for place, position in positions.items():
        consumer.seek(place, position)


def _poll(consumer: Any, wait_s: float) -> Iterator[Record]:
    with _away():
        polled = consumer.poll(timeout_ms=max(1, round(wait_s * 1000)), max_records=POLL_RECORDS)
    for records in polled.values():
        for record in records:
            # One without a value is none of ours; whoever takes records to pieces says so, as of any other bytes.
            yield Record(record.partition, record.offset, record.value or b"")


def _position(consumer: Any, place: Any) -> int:
    with _away():
        return int(consumer.position(place))


@contextmanager
def _away() -> Iterator[None]:
    try:
        yield
    except OffsetOutOfRangeError as error:
        raise GapError(f"postings are gone, unread: {error}") from error
    except LogTruncationError as error:
        raise GapError(f"Kafka has lost postings that it had acknowledged: {error}") from error
    except KafkaError as error:
        raise AwayError(f"Kafka: {type(error).__name__}: {error}") from error


def _check_kept(place: Any, position: int, begin: int, end: int) -> None:
    if position < begin:
        raise GapError(f"partition {place.partition}: postings {position} to {begin} are gone, unread")
    if position > end:
        raise GapError(f"partition {place.partition}: {place.topic} ends at {end}, before position {position}")
