"""Committed postings and nothing else, the same ones again for the same spans."""

import random
import uuid
from collections.abc import Iterator
from contextlib import closing

import pytest
from kafka import KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError, LogTruncationError, OffsetOutOfRangeError, UnknownError

from sinks.clickhouse import reader as module
from sinks.clickhouse.blocks import Span
from sinks.clickhouse.reader import PostingsReader
from sinks.clickhouse.sink import Record, posted
from sinks.errors import AwayError, GapError, SinkError

PARTITIONS = 2


@pytest.fixture
def admin(kafka: str) -> Iterator[KafkaAdminClient]:
    admin = KafkaAdminClient(bootstrap_servers=kafka)
    yield admin
    admin.close()


@pytest.fixture
def topic(admin: KafkaAdminClient) -> str:
    """A topic of its own, in segments so small that its beginning can be deleted."""
    name = f"postings-{uuid.uuid4().hex[:12]}"
    admin.create_topics({name: {"num_partitions": PARTITIONS, "replication_factor": 1}})
    admin.wait_for_topics([name], timeout_ms=30_000)
    return name


@pytest.fixture
def opened() -> Iterator[list[PostingsReader]]:
    readers: list[PostingsReader] = []
    yield readers
    for reader in readers:
        reader.close()


class Ledgers:
    """Some producers whose transactions lie across each other."""

    def __init__(self, kafka: str, topic: str, count: int) -> None:
        self._topic = topic
        self._producers = [
            KafkaProducer(bootstrap_servers=kafka, transactional_id=f"{topic}-{number}", linger_ms=0)
            for number in range(count)
        ]
        for producer in self._producers:
            producer.init_transactions()
        self._sent: dict[int, list[Record]] = {}
        self.committed: list[Record] = []

    def send(self, ledger: int, partition: int, value: bytes) -> None:
        """Within the ledger's open transaction; begins one if none is open."""
        producer = self._producers[ledger]
        if ledger not in self._sent:
            producer.begin_transaction()
            self._sent[ledger] = []
        offset = producer.send(self._topic, value, partition=partition).get(timeout=20).offset
        self._sent[ledger].append(Record(partition, offset, value))

    def end(self, ledger: int, *, commit: bool) -> None:
        records = self._sent.pop(ledger, None)
        if records is None:
            return
        if commit:
            self._producers[ledger].commit_transaction()
            self.committed += records
        else:
            self._producers[ledger].abort_transaction()

    def close(self) -> None:
        for producer in self._producers:
            producer.close()


def gather_all(reader: PostingsReader, ends: dict[int, int]) -> tuple[list[Record], list[tuple[Span, ...]]]:
    """Everything up to some ends, with the spans of each block."""
    records: list[Record] = []
    blocks = []
    reached: dict[int, int] = {}
    while any(reached.get(partition, 0) < end for partition, end in ends.items()):
        gathered = reader.gather()
        records += gathered.records
        for span in gathered.spans:
            assert span.first == reached.get(span.partition, 0), "spans follow each other"
            reached[span.partition] = span.next
        if gathered.spans:
            blocks.append(gathered.spans)
        for record in gathered.records:
            assert any(s.partition == record.partition and s.first <= record.offset < s.next for s in gathered.spans)
    return records, blocks


def by_place(records: list[Record]) -> list[Record]:
    return sorted(records, key=lambda record: (record.partition, record.offset))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_transactions_across_each_other(
    kafka: str, topic: str, opened: list[PostingsReader], monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance = random.Random(seed)
    ledgers = Ledgers(kafka, topic, 3)
    for number in range(300):
        ledger = chance.randrange(3)
        if chance.random() < 0.15:
            ledgers.end(ledger, commit=chance.random() < 0.6)
        else:
            value = f"{number} ".encode() * chance.randint(1, 300)
            ledgers.send(ledger, chance.randrange(PARTITIONS), value)
    for ledger in range(3):
        # The topic ends with aborted records and their markers.
        ledgers.end(ledger, commit=ledger == 0)
    ledgers.close()
    # Fetches that begin and end within transactions.
    monkeypatch.setattr(module, "PARTITION_FETCH_BYTES", 3000)
    monkeypatch.setattr(module, "POLL_RECORDS", 5)
    reader = PostingsReader(kafka, topic, block_bytes=chance.choice((1, 4000, 40_000)), linger_s=0.05)
    opened.append(reader)
    reader.seek({})
    ends = reader._consumer.end_offsets([TopicPartition(topic, partition) for partition in range(PARTITIONS)])
    records, blocks = gather_all(reader, {place.partition: end for place, end in ends.items()})
    assert by_place(records) == by_place(ledgers.committed)
    for spans in chance.sample(blocks, min(len(blocks), 15)):
        inside = [
            record
            for record in by_place(ledgers.committed)
            if any(span.partition == record.partition and span.first <= record.offset < span.next for span in spans)
        ]
        assert by_place(reader.read(spans)) == inside


def test_an_open_transaction_is_waited_for(kafka: str, topic: str, opened: list[PostingsReader]) -> None:
    ledgers = Ledgers(kafka, topic, 2)
    ledgers.send(0, 0, b"before")
    ledgers.end(0, commit=True)
    ledgers.send(1, 0, b"open")
    ledgers.send(0, 0, b"behind")
    ledgers.end(0, commit=True)
    reader = PostingsReader(kafka, topic, block_bytes=1000, linger_s=0.05)
    opened.append(reader)
    reader.seek({})
    assert [record.value for record in reader.gather().records] == [b"before"]
    assert reader.gather().records == []
    ledgers.end(1, commit=False)
    values: list[bytes] = []
    while not values:
        values += [record.value for record in reader.gather().records]
    assert values == [b"behind"]
    ledgers.close()


def test_positions_that_kafka_cannot_serve_are_gaps(
    kafka: str, topic: str, admin: KafkaAdminClient, opened: list[PostingsReader]
) -> None:
    ledgers = Ledgers(kafka, topic, 1)
    for _ in range(3):
        ledgers.send(0, 0, b"value")
        ledgers.end(0, commit=True)
    ledgers.close()
    reader = PostingsReader(kafka, topic, block_bytes=1000, linger_s=0.05)
    opened.append(reader)
    reader.seek({0: 6})
    with pytest.raises(GapError, match=r"partition 0: .* ends at 6, before position 7"):
        reader.seek({0: 7})
    with pytest.raises(GapError, match=r"has 2 partitions and positions in \[5\]"):
        reader.seek({5: 0})
    admin.delete_records({TopicPartition(topic, 0): 4})
    with pytest.raises(GapError, match="partition 0: postings 2 to 4 are gone, unread"):
        reader.seek({0: 2})
    with pytest.raises(GapError, match="partition 0: postings 0 to 4 are gone, unread"):
        reader.read([Span(0, 0, 6)])
    with pytest.raises(GapError, match="partition 0: postings before 4 are gone, unread"):
        reader.seek({1: 0})
    # A new sink begins where Kafka does.
    reader.seek({})
    gathered = reader.gather()
    assert (gathered.spans, [record.offset for record in gathered.records]) == ((Span(0, 4, 6),), [4])


def test_the_position_is_beyond_the_last_marker(
    kafka: str, topic: str, admin: KafkaAdminClient, opened: list[PostingsReader]
) -> None:
    """So that what Kafka deletes later, all of it, is not taken for a loss."""
    ledgers = Ledgers(kafka, topic, 1)
    ledgers.send(0, 1, b"value")
    ledgers.end(0, commit=True)
    reader = PostingsReader(kafka, topic, block_bytes=1000, linger_s=0.05)
    opened.append(reader)
    reader.seek({})
    assert gather_all(reader, {1: 2})[1] == [(Span(1, 0, 2),)]
    ledgers.send(0, 1, b"aborted")
    ledgers.end(0, commit=False)
    ledgers.close()
    assert gather_all_from(reader, Span(1, 2, 4)) == []
    admin.delete_records({TopicPartition(topic, 1): 4})
    reader.seek({1: 4})


def gather_all_from(reader: PostingsReader, expected: Span) -> list[Record]:
    records: list[Record] = []
    first = expected.first
    while first < expected.next:
        gathered = reader.gather()
        records += gathered.records
        for span in gathered.spans:
            assert (span.partition, span.first) == (expected.partition, first)
            first = span.next
    return records


def test_a_record_without_a_value_is_one_of_no_bytes(kafka: str, topic: str, opened: list[PostingsReader]) -> None:
    """What is wrong with it is for whoever reads its bytes to say, with its place."""
    with closing(KafkaProducer(bootstrap_servers=kafka)) as producer:
        producer.send(topic, key=b"S1", partition=0).get(timeout=20)
    reader = PostingsReader(kafka, topic, block_bytes=1000, linger_s=0.05)
    opened.append(reader)
    reader.seek({})
    assert gather_all(reader, {0: 1})[0] == reader.read([Span(0, 0, 1)]) == [Record(0, 0, b"")]
    with pytest.raises(SinkError, match="partition 0, offset 0: byte 0: cut"):
        posted(Record(0, 0, b""))


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (UnknownError("of the broker"), AwayError("Kafka: UnknownError")),
        (OffsetOutOfRangeError(7), GapError("postings are gone, unread")),
        (LogTruncationError({}), GapError("Kafka has lost postings")),
    ],
    ids=["may-pass", "deleted", "lost"],
)
@pytest.mark.parametrize("asked", ["poll", "position"])
def test_what_kafka_answers_with_while_it_is_read(
    kafka: str,
    topic: str,
    opened: list[PostingsReader],
    monkeypatch: pytest.MonkeyPatch,
    asked: str,
    error: KafkaError,
    told: SinkError,
) -> None:
    reader = PostingsReader(kafka, topic, block_bytes=1000, linger_s=0.05)
    opened.append(reader)
    reader.seek({})

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(reader._consumer, asked, fail)
    with pytest.raises(type(told), match=str(told)):
        reader.gather()


def test_no_broker_is_away() -> None:
    with pytest.raises(AwayError, match="Kafka"):
        PostingsReader("127.0.0.1:9", "postings", block_bytes=1, linger_s=0)
