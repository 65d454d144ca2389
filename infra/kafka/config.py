"""The embedded Kafka's configuration, as values."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.ports import HOST
from infra.topics import MAX_RECORD_BYTES


@dataclass(frozen=True, slots=True)
class Ports:
    """Where Kafka listens: for clients, and for itself as its own controller."""

    kafka: int
    controller: int


def server_properties(ports: Ports, data: Path) -> dict[str, str]:
    """Settings of one broker that is its own controller, loopback only."""
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        # Static voters take the port from here at each start; a dynamic quorum keeps it in its log.
        "controller.quorum.voters": f"1@{HOST}:{ports.controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"BROKER://{HOST}:{ports.kafka},CONTROLLER://{HOST}:{ports.controller}",
        "advertised.listeners": f"BROKER://{HOST}:{ports.kafka}",
        "inter.broker.listener.name": "BROKER",
        "listener.security.protocol.map": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(data),
        # A misspelt topic is an error, not a new topic.
        "auto.create.topics.enable": "false",
        "message.max.bytes": str(MAX_RECORD_BYTES),
        # Kafka's own topics: one copy, and few partitions, since each costs files and time at the start.
        "default.replication.factor": "1",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "1",
        # After kill -9 the controller takes the broker for alive until its session ends; only then it lets it in again.
        "broker.heartbeat.interval.ms": "1000",
        "broker.session.timeout.ms": "4000",
        # A worker that joins alone need not wait for others.
        "group.initial.rebalance.delay.ms": "0",
        # The default is 128 MiB, a quarter of this heap; 32 MiB hold a million keys in one pass.
        "log.cleaner.dedupe.buffer.size": str(32 << 20),
        "num.network.threads": "2",
        "num.io.threads": "4",
        "num.recovery.threads.per.data.dir": "2",
    }


def render(properties: Mapping[str, str]) -> str:
    """Java's .properties text.

    >>> render({"log.dirs": "/a b", "x": "c:\\\\d"})
    'log.dirs=/a b\\nx=c:\\\\\\\\d\\n'
    """
    return "".join(f"{name}={_escape(value)}\n" for name, value in properties.items())


def _escape(value: str) -> str:
    """Backslashes are Java's escape; other characters than ASCII must be written as one."""
    escaped = value.replace("\\", "\\\\")
    return "".join(c if c.isascii() else "".join(f"\\u{unit:04x}" for unit in _utf16(c)) for c in escaped)


def _utf16(character: str) -> list[int]:
    encoded = character.encode("utf-16-be")
    return [int.from_bytes(encoded[i : i + 2]) for i in range(0, len(encoded), 2)]
