"""What a topic holds now, read once from a place on to its present end."""

from collections.abc import Iterator, Mapping
from typing import Any

from kafka import KafkaConsumer, TopicPartition

_POLL_MS = 500


def scan_since(bootstrap: str, topic: str, partitions: list[int], *, since_ms: int) -> Iterator[Any]:
    """Records that the broker took in at `since_ms` or later (real ms); those of a partition by rising offset."""
    consumer = _consumer(bootstrap)
    try:
        places = [TopicPartition(topic, number) for number in partitions]
        found = consumer.offsets_for_times(dict.fromkeys(places, since_ms))
        yield from _read(consumer, {place: at.offset for place, at in found.items() if at is not None})
    finally:
        consumer.close()


def scan_from(bootstrap: str, topic: str, partition: int, *, offset: int = 0) -> Iterator[Any]:
    """Records of a partition from an offset on, or from the first that is still kept."""
    consumer = _consumer(bootstrap)
    try:
        place = TopicPartition(topic, partition)
        first = consumer.beginning_offsets([place])[place]
        yield from _read(consumer, {place: max(first, offset)})
    finally:
        consumer.close()


def end_offset(bootstrap: str, topic: str, partition: int) -> int:
    """The offset that a partition's next record gets."""
    consumer = _consumer(bootstrap)
    try:
        place = TopicPartition(topic, partition)
        return int(consumer.end_offsets([place])[place])
    finally:
        consumer.close()


def _consumer(bootstrap: str) -> KafkaConsumer:
    return KafkaConsumer(
        bootstrap_servers=bootstrap.split(","),
        client_id="sluice-scan",
        group_id=None,
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
    )


def _read(consumer: KafkaConsumer, starts: Mapping[TopicPartition, int]) -> Iterator[Any]:
    ends = consumer.end_offsets(list(starts))
    consumer.assign(list(starts))
    for place, offset in starts.items():
        consumer.seek(place, offset)
    # Behind the last record may be the mark of a transaction, so the position counts and not what came.
    while any(consumer.position(place) < end for place, end in ends.items()):
        for place, records in consumer.poll(timeout_ms=_POLL_MS).items():
            yield from (record for record in records if record.offset < ends[place])
