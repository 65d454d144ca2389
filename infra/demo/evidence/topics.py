"""Evidence from Kafka: all records of a topic."""

from dataclasses import dataclass
from typing import Any

from kafka import KafkaConsumer, TopicPartition

_POLL_MS = 500


@dataclass(frozen=True, slots=True)
class TopicRecord:
    """A committed record; `at_ms` is when the broker took it."""

    partition: int
    offset: int
    at_ms: int
    key: bytes
    value: bytes | None


def read_topic(bootstrap: str, topic: str) -> list[TopicRecord]:
    """All committed records that a topic holds now, those of a partition in their order."""
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap.split(","),
        client_id="sluice-demo",
        group_id=None,
        enable_auto_commit=False,
        isolation_level="read_committed",
        # The checksum is computed in Python, a hundred times slower than all the rest.
        check_crcs=False,
    )
    try:
        places = [TopicPartition(topic, partition) for partition in consumer.partitions_for_topic(topic) or ()]
        consumer.assign(places)
        consumer.seek_to_beginning(*places)
        ends = consumer.end_offsets(places)
        records: list[TopicRecord] = []
        # The last offset may be a transaction's marker, which is never handed out: the position passes it.
        while any(consumer.position(place) < end for place, end in ends.items()):
            for polled in consumer.poll(timeout_ms=_POLL_MS).values():
                records += map(_record, polled)
    finally:
        consumer.close()
    # What came in meanwhile belongs to a later look.
    return [record for record in records if record.offset < ends[TopicPartition(topic, record.partition)]]


def _record(found: Any) -> TopicRecord:
    return TopicRecord(found.partition, found.offset, found.timestamp, found.key or b"", found.value)
