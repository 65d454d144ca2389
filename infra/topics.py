"""Kafka's topics: one table of what they are called, how they are kept, and how a key finds its partition."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

import structlog
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import NoError, TopicAlreadyExistsError, for_code
from kafka.partitioner.default import murmur2

from infra.errors import InfraError
from infra.settings import Settings

METER_FRAMES: Final = "meter.frames"
OFFICE_ORDERS: Final = "office.orders"
LEDGER_STATE: Final = "ledger.state"
LEDGER_POSTINGS: Final = "ledger.postings"
GATEWAY_COMMANDS: Final = "gateway.commands"
GATEWAY_REPORTS: Final = "gateway.reports"
OFFICE_NOTICES: Final = "office.notices"
FRAMES_REJECTED: Final = "frames.rejected"

LEDGER_GROUP: Final = "sluice-ledger"
"""The consumer group of the ledger's workers."""

MAX_RECORD_BYTES: Final = 16 << 20
"""The largest record that any of the topics takes."""

MIN_COPIES: Final = "min.insync.replicas"

_DAY_MS = 24 * 60 * 60 * 1000
_FOR_EVER = "-1"

_log = structlog.get_logger(__name__)


class TopicError(InfraError):
    """A topic that is there cannot serve: it was created otherwise than Sluice needs it."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic and the settings it is created with.

    All have the same number of partitions, so that a site's records are in the same partition of each.
    """

    name: str
    kept: dict[str, str] = field(default_factory=dict)

    @property
    def configs(self) -> dict[str, str]:
        """All settings by Kafka's names."""
        return {
            "max.message.bytes": str(MAX_RECORD_BYTES),
            # The broker stamps records, so that retention and compaction go by one clock: the virtual property
            # group's may be days ahead, and Kafka refuses records from more than an hour in the future.
            "message.timestamp.type": "LogAppendTime",
            **self.kept,
        }


def _days(days: int) -> dict[str, str]:
    # By time alone: a limit by size, which a broker may have for all topics, would delete what is not read yet.
    return {"cleanup.policy": "delete", "retention.ms": str(days * _DAY_MS), "retention.bytes": _FOR_EVER}


_TABLE = (
    Topic(METER_FRAMES, _days(30)),
    Topic(OFFICE_ORDERS, {"cleanup.policy": "delete", "retention.ms": _FOR_EVER, "retention.bytes": _FOR_EVER}),
    Topic(
        LEDGER_STATE,
        {
            "cleanup.policy": "compact",
            # A page replaced a minute ago can still be looked up when something went wrong.
            "min.compaction.lag.ms": str(10 * 60 * 1000),
            # Opening a partition reads all of it; these keep it near one version of each page. The active segment is
            # never compacted, so it must not grow large nor stay active for a week.
            "min.cleanable.dirty.ratio": "0.2",
            "segment.bytes": str(64 << 20),
            "segment.ms": str(60 * 60 * 1000),
        },
    ),
    Topic(LEDGER_POSTINGS, _days(30)),
    Topic(GATEWAY_COMMANDS, _days(7)),
    Topic(GATEWAY_REPORTS, _days(30)),
    Topic(OFFICE_NOTICES, _days(7)),
    Topic(FRAMES_REJECTED, _days(30)),
)

TOPICS: Final = MappingProxyType({topic.name: topic for topic in _TABLE})


@lru_cache(maxsize=65536)
def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a key, the same one that Kafka's own producers choose (murmur2).

    >>> partition_of(b"site-1", 12)
    10
    """
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


def ensure_topics(bootstrap: str, settings: Settings) -> None:
    """Create the topics that are not there yet and check those that are.

    What an operator changed on an existing topic (retention, say) is left alone; only what would make the ledger
    wrong is an error.

    Raises:
        TopicError: A topic has another number of partitions, or `ledger.state` is not compacted.
    """
    admin = KafkaAdminClient(bootstrap_servers=bootstrap.split(","), client_id="sluice-topics")
    try:
        there = set(admin.list_topics())
        _create(admin, [topic for topic in TOPICS.values() if topic.name not in there], settings)
        admin.wait_for_topics(list(TOPICS), timeout_ms=30_000)
        _check_partitions(admin, settings.partitions)
        _check_configs(admin, settings)
    finally:
        admin.close()


def record_bytes_max(bootstrap: str, topic: str) -> int:
    """The largest record that a topic takes as it is set now, `MAX_RECORD_BYTES` at most."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap.split(","), client_id="sluice-topics")
    try:
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        described: dict[str, Any] = admin.describe_configs([resource], config_filter="all")["topic"]
        return min(MAX_RECORD_BYTES, int(described[topic]["max.message.bytes"]["value"]))
    finally:
        admin.close()


def _create(admin: KafkaAdminClient, topics: Sequence[Topic], settings: Settings) -> None:
    if not topics:
        return
    options = {
        topic.name: {
            "num_partitions": settings.partitions,
            "replication_factor": settings.replication,
            # A record is taken in when all copies but one have it; else the loss of one broker could lose money.
            "configs": {**topic.configs, MIN_COPIES: str(max(1, settings.replication - 1))},
        }
        for topic in topics
    }
    for created in admin.create_topics(options, raise_errors=False)["topics"]:
        error = for_code(created["error_code"])
        # Another process may create them at the same moment; the checks that follow look at its work.
        if error not in (NoError, TopicAlreadyExistsError):
            raise TopicError(f"{created['name']} cannot be created: {created['error_message'] or error.__name__}")
        _log.info("topic created", topic=created["name"], partitions=settings.partitions)


def _check_partitions(admin: KafkaAdminClient, partitions: int) -> None:
    wrong = [
        f"{topic['name']} has {len(topic['partitions'])}"
        for topic in admin.describe_topics(list(TOPICS))
        if len(topic["partitions"]) != partitions
    ]
    if wrong:
        raise TopicError(
            f"SLUICE_PARTITIONS is {partitions}, but {', '.join(sorted(wrong))}: a site's records would change their "
            "partition. Set SLUICE_PARTITIONS to what the topics have, or use an empty data directory or cluster."
        )


def _check_configs(admin: KafkaAdminClient, settings: Settings) -> None:
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in TOPICS]
    described: dict[str, Any] = admin.describe_configs(resources, config_filter="all")["topic"]
    policy = described[LEDGER_STATE]["cleanup.policy"]["value"]
    if policy != "compact":
        raise TopicError(f"{LEDGER_STATE} has cleanup.policy={policy}: pages that rarely change would be deleted")
    least = {"max.message.bytes": MAX_RECORD_BYTES, MIN_COPIES: max(1, settings.replication - 1)}
    for name, configs in described.items():
        for config, wanted in least.items():
            found = int(configs[config]["value"])
            if found < wanted:
                _log.warning("topic setting too low", topic=name, setting=config, found=found, wanted=wanted)
