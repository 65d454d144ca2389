"""The port between a partition's ledger and Kafka: what is stored, what goes out, and how both become one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from streams.records import NextOffsets


class Output(NamedTuple):
    """A record that a batch writes."""

    topic: str
    partition: int
    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Stored:
    """What `ledger.state` holds for a partition; `next` is None before the first batch."""

    next: NextOffsets | None
    pages: Mapping[bytes, bytes]


class PartitionLog(Protocol):
    """One partition's durable side. Whoever opened it last is its only writer."""

    async def open(self) -> Stored:
        """Shut out every earlier owner, end what it left unfinished, and read what is stored."""
        ...

    async def write(self, outputs: Sequence[Output]) -> None:
        """Write all or nothing; returns when it is durable.

        Raises:
            Exception: Nothing may be concluded about what was written; the memory of this owner is void.
        """
        ...

    async def close(self) -> None:
        """Give the connection up. Nothing is written any more."""
        ...
