"""How far the ledger and the sink have come, partition by partition."""

from collections.abc import Mapping
from types import TracebackType
from typing import Final, NamedTuple, Self

from clickhouse_driver import Client
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient, OffsetSpec

from infra.endpoints import clickhouse_url, kafka_bootstrap
from infra.settings import Settings
from infra.topics import LEDGER_STATE, METER_FRAMES, OFFICE_ORDERS
from sinks.clickhouse.positions import positions
from streams.records import NEXT_KEY, decode_next

INPUTS: Final = (METER_FRAMES, OFFICE_ORDERS)

_COMMITTED: Final = 1
"""Kafka's number for reading only what is committed."""
_POLL_MS: Final = 200


class Place(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


Offsets = Mapping[Place, int]
"""The offset that comes next in each partition; those without any record are left out."""


def reached(taken: Offsets, ends: Offsets) -> bool:
    """Whether all up to `ends` is taken."""
    return all(taken.get(place, 0) >= end for place, end in ends.items())


class Progress:
    """Looks at Kafka and ClickHouse over connections that it keeps; to be closed."""

    def __init__(self, settings: Settings) -> None:
        self._partitions = settings.partitions
        self._admin = KafkaAdminClient(
            bootstrap_servers=kafka_bootstrap(settings).split(","), client_id="sluice-demo-progress"
        )
        self._client = Client.from_url(clickhouse_url(settings))
        self._state = KafkaConsumer(
            bootstrap_servers=kafka_bootstrap(settings).split(","),
            client_id="sluice-demo-progress",
            group_id=None,
            enable_auto_commit=False,
            isolation_level="read_committed",
            check_crcs=False,
        )
        self._places = [TopicPartition(LEDGER_STATE, number) for number in range(self._partitions)]
        self._state.assign(self._places)
        self._state.seek_to_beginning(*self._places)
        self._taken: dict[Place, int] = {}

    def ends(self, *topics: str) -> Offsets:
        """Where topics end; without any named, the ledger's two inputs."""
        asked = {
            TopicPartition(topic, number): OffsetSpec.LATEST
            for topic in topics or INPUTS
            for number in range(self._partitions)
        }
        found = self._admin.list_partition_offsets(asked, isolation_level=_COMMITTED)
        return {Place(tp.topic, tp.partition): int(at.offset) for tp, at in found.items() if at.offset > 0}

    def ends_of(self, topic: str) -> Mapping[int, int]:
        """Where the partitions of a topic end."""
        return {place.partition: end for place, end in self.ends(topic).items()}

    def ledger(self) -> Offsets:
        """What the ledger has taken of its inputs, by its own state.

        Not by its consumer group: offsets that a killed worker had not committed yet stay behind until the next
        record of their partition.
        """
        ends = self._state.end_offsets(self._places)
        # The last offset may be a transaction's marker, which is never handed out: the position passes it.
        while any(self._state.position(place) < end for place, end in ends.items()):
            for place, records in self._state.poll(timeout_ms=_POLL_MS).items():
                for record in records:
                    if record.key == NEXT_KEY:
                        after = decode_next(record.value)
                        self._taken[Place(METER_FRAMES, place.partition)] = after.frames
                        self._taken[Place(OFFICE_ORDERS, place.partition)] = after.orders
        return dict(self._taken)

    def sink(self) -> Mapping[int, int]:
        """The posting that the sink writes next, by partition."""
        return positions(self._client)

    def close(self) -> None:
        self._admin.close()
        self._state.close()
        self._client.disconnect()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
