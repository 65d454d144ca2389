"""Holds what a ledger wrote against a replay of its inputs.

The journal in `ledger.postings` says which records each batch took. Folding just those batches anew, in memory, must
give every byte that the ledger wrote: postings, pages, commands, notices, rejected records. Whatever was lost, doubled
or written by a worker that had lost its partition shows as a difference.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from kafka import KafkaConsumer, TopicPartition

from infra.topics import (
    FRAMES_REJECTED,
    GATEWAY_COMMANDS,
    LEDGER_POSTINGS,
    LEDGER_STATE,
    METER_FRAMES,
    OFFICE_NOTICES,
    OFFICE_ORDERS,
)
from streams.core.site import SiteLedger
from streams.partition import Partition
from streams.postings import Inputs, Postings, decode_postings
from streams.records import NextOffsets
from tests.ledger_inputs import never_ahead

OUTPUTS = (LEDGER_POSTINGS, OFFICE_NOTICES, FRAMES_REJECTED)
"""What a partition writes to its own number; commands go by gateway."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A record as Kafka holds it."""

    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int = 0


@dataclass(frozen=True, slots=True)
class Replayed:
    """What the ledger of one partition was found to have done."""

    batches: int
    readings: int
    balances: dict[str, dict[str, int]]


class Topics:
    """Reads whole topics, committed records only."""

    def __init__(self, bootstrap: str, partitions: int) -> None:
        self._partitions = partitions
        self._consumer = KafkaConsumer(
            bootstrap_servers=bootstrap,
            isolation_level="read_committed",
            enable_auto_commit=False,
            group_id=None,
            max_partition_fetch_bytes=16 << 20,
        )

    def close(self) -> None:
        self._consumer.close()

    def read(self, topic: str, partition: int | None = None) -> list[Kept]:
        """All records of a topic's partition, or of all its partitions."""
        places = [
            TopicPartition(topic, number) for number in (range(self._partitions) if partition is None else (partition,))
        ]
        self._consumer.assign(places)
        ends = self._consumer.end_offsets(places)
        self._consumer.seek_to_beginning(*places)
        found = []
        while any(self._consumer.position(place) < ends[place] for place in places):
            for records in self._consumer.poll(timeout_ms=1000).values():
                found += [Kept(record.offset, record.key, record.value) for record in records]
        return found

    def end(self, topic: str, partition: int) -> int:
        place = TopicPartition(topic, partition)
        end: int = self._consumer.end_offsets([place])[place]
        return end


class Tail:
    """Follows `ledger.postings` from its beginning on."""

    def __init__(self, bootstrap: str, partitions: int) -> None:
        self._consumer = KafkaConsumer(
            bootstrap_servers=bootstrap,
            isolation_level="read_committed",
            enable_auto_commit=False,
            group_id=None,
            auto_offset_reset="earliest",
        )
        self._consumer.assign([TopicPartition(LEDGER_POSTINGS, number) for number in range(partitions)])

    def news(self) -> Iterator[tuple[int, Postings]]:
        """What was committed since the last call, by partition."""
        for place, records in self._consumer.poll(timeout_ms=100).items():
            for record in records:
                yield place.partition, decode_postings(record.value)

    def close(self) -> None:
        self._consumer.close()


def replay(topics: Topics, partition: int, partitions: int, *, to_the_end: bool = True) -> Replayed:
    """Fold a partition's inputs again by its journal; every assertion that fails names what differs.

    Args:
        to_the_end: The ledger took all that the topics hold.
    """
    written = topics.read(LEDGER_POSTINGS, partition)
    inputs = {name: topics.read(name, partition) for name in (METER_FRAMES, OFFICE_ORDERS)}
    again = Partition(
        partition,
        partitions=partitions,
        start=NextOffsets(frames=0, orders=0, sequence=0),
        pages={},
        open_site=SiteLedger.load,
        is_ahead=never_ahead,
    )
    outputs: dict[str, list[Kept]] = defaultdict(list)
    pages: dict[bytes, bytes] = {}
    readings = 0
    for taken in journal([decode_postings(record.value or b"") for record in written]):
        batch = again.take(
            inputs[OFFICE_ORDERS][taken.orders.first : taken.orders.next],
            inputs[METER_FRAMES][taken.frames.first : taken.frames.next],
        )
        readings += batch.readings
        for topic, _, key, value in batch.outputs:
            if topic == LEDGER_STATE:
                pages[key] = value
            else:
                outputs[topic].append(Kept(0, key, value))
    assert again.next.frames == len(inputs[METER_FRAMES]) or not to_the_end, "rounds were left out"
    assert again.next.orders == len(inputs[OFFICE_ORDERS]), "orders were left out"
    for topic in OUTPUTS:
        assert contents(topics.read(topic, partition)) == contents(outputs[topic]), f"{topic} differs"
    commands = set(contents(topics.read(GATEWAY_COMMANDS)))
    assert commands >= set(contents(outputs[GATEWAY_COMMANDS])), "commands are missing"
    stored = {record.key: record.value for record in topics.read(LEDGER_STATE, partition)}
    assert stored == pages, "the stored pages differ"
    return Replayed(batches=again.next.sequence, readings=readings, balances=again.balances())


def journal(postings: list[Postings]) -> Iterator[Inputs]:
    """What each batch took; batches follow each other without a gap, and so do their inputs."""
    before: Inputs | None = None
    sequence = -1
    for one in postings:
        if one.sequence == sequence:
            assert one.inputs == before, f"batch {sequence} has two journals"
            continue
        assert one.sequence == sequence + 1, f"batch {one.sequence} follows {sequence}"
        if before is not None:
            assert one.inputs.frames.first == before.frames.next, f"batch {one.sequence} leaves rounds out"
            assert one.inputs.orders.first == before.orders.next, f"batch {one.sequence} leaves orders out"
        sequence, before = one.sequence, one.inputs
        yield one.inputs


def contents(records: list[Kept]) -> list[tuple[bytes | None, bytes | None]]:
    return [(record.key, record.value) for record in records]
