"""How far the ledger and the sink have come, partition by partition."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from clickhouse_driver import Client
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient, OffsetSpec

from infra.endpoints import clickhouse_url, kafka_bootstrap
from infra.settings import Settings
from infra.topics import LEDGER_GROUP, METER_FRAMES, OFFICE_ORDERS
from sinks.clickhouse.positions import positions

INPUTS: Final = (METER_FRAMES, OFFICE_ORDERS)

_COMMITTED: Final = 1
"""Kafka's number for reading only what is committed."""


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
        """What the ledger has acknowledged of its inputs, which it does when it has written what it made of it."""
        found: Mapping[TopicPartition, Any] = self._admin.list_group_offsets(LEDGER_GROUP).get(LEDGER_GROUP, {})
        return {Place(tp.topic, tp.partition): int(at.offset) for tp, at in found.items() if at.offset > 0}

    def sink(self) -> Mapping[int, int]:
        """The posting that the sink writes next, by partition."""
        return positions(self._client)

    def close(self) -> None:
        self._admin.close()
        self._client.disconnect()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
