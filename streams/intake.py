"""What waits to be folded: the queue of one partition between Faust's deliveries and the ledger's batches."""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from streams.core.outcome import Source
from streams.decode import InputRecord
from streams.errors import GapError


class Delivery(Protocol):
    """Records of one input by rising offset, as the transport hands them over: a `faust.Event`."""

    @property
    def value(self) -> Sequence[InputRecord]: ...
    def ack(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How much a batch takes, and how long it waits for it.

    Attributes:
        records: At most; a batch that is this long does not wait.
        bytes: Of values together; the record that passes it is the batch's last.
        wait_s: How long a shorter batch waits for more, from its first record on.
        commit_s: The longest that a commit may take before the process gives up.
    """

    records: int = 1024
    bytes: int = 1 << 20
    wait_s: float = 0.01
    commit_s: float = 30.0


class Intake:
    """Takes each record of a partition's inputs once, in order, from the offsets on that it is made with.

    Attributes:
        expected: By input, the offset that must be delivered next.
    """

    def __init__(self, partition: int, *, start: Mapping[Source, int], limits: BatchLimits) -> None:
        self.partition = partition
        self.expected = dict(start)
        self._written = dict(start)
        self._limits = limits
        self._queues: Mapping[Source, deque[InputRecord]] = {source: deque() for source in Source}
        self._unacknowledged: Mapping[Source, deque[Delivery]] = {source: deque() for source in Source}
        self._bytes = 0
        self._closed = False
        self._arrived = asyncio.Event()
        self._full = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    async def put(self, source: Source, delivery: Delivery) -> None:
        """Queue records; waits while a whole batch waits. What was taken before is dropped.

        Raises:
            GapError: Records before these were never delivered.
        """
        await self._room.wait()
        if self._closed:
            return  # The partition is being given up; whoever has it next gets the records again.
        expected = self.expected[source]
        fresh = [record for record in delivery.value if record.offset >= expected]
        self._unacknowledged[source].append(delivery)
        if not fresh:
            self._acknowledge()
            return
        first, last = fresh[0].offset, fresh[-1].offset
        if first != expected or last - first != len(fresh) - 1:
            raise GapError(
                f"partition {self.partition}: {len(fresh)} {source.name.lower()} from {first} to {last} delivered, "
                f"{expected} comes next"
            )
        self.expected[source] = last + 1
        self._queues[source].extend(fresh)
        self._bytes += sum(len(record.value or b"") for record in fresh)
        self._arrived.set()
        if self._is_full():
            self._full.set()
            self._room.clear()

    async def gather(self, writing: "asyncio.Task[None] | None") -> bool:
        """Wait until a batch is worth folding; false when the intake is closed.

        Without a batch being written, that is `wait_s` after the first record, so that a lone round is not held up.
        With one, it is when that is done, or when the next batch is as long as one may be: a transaction costs the
        broker the same for one record as for many.
        """
        await self._arrived.wait()
        if not self._full.is_set():
            full = asyncio.ensure_future(self._full.wait())
            if writing is None or writing.done():
                await asyncio.wait({full}, timeout=self._limits.wait_s)
            else:
                await asyncio.wait({full, writing}, return_when=asyncio.FIRST_COMPLETED)
            full.cancel()
        return not self._closed

    def take(self) -> tuple[list[InputRecord], list[InputRecord]]:
        """Remove a batch's orders and frames from the queue: orders first, as far as the limits go."""
        room, size = self._limits.records, self._limits.bytes
        taken: dict[Source, list[InputRecord]] = {}
        for source in (Source.ORDERS, Source.FRAMES):
            queue, part = self._queues[source], taken.setdefault(source, [])
            while queue and room > 0 and size > 0:
                record = queue.popleft()
                part.append(record)
                room -= 1
                size -= len(record.value or b"")
        self._bytes -= self._limits.bytes - size
        if not self._waiting():
            self._arrived.clear()
        if not self._is_full():
            self._full.clear()
            self._room.set()
        return taken[Source.ORDERS], taken[Source.FRAMES]

    def note_written(self, next_offsets: Mapping[Source, int]) -> None:
        """Acknowledge to Faust what is written up to `next_offsets`."""
        self._written = dict(next_offsets)
        self._acknowledge()

    def close(self) -> None:
        """Take nothing more; what waits is never folded."""
        self._closed = True
        for event in (self._arrived, self._full, self._room):
            event.set()

    def _acknowledge(self) -> None:
        """A delivery is done with when its last record is written."""
        for source, deliveries in self._unacknowledged.items():
            while deliveries and deliveries[0].value[-1].offset < self._written[source]:
                deliveries.popleft().ack()

    def _waiting(self) -> int:
        return sum(len(queue) for queue in self._queues.values())

    def _is_full(self) -> bool:
        return self._bytes >= self._limits.bytes or self._waiting() >= self._limits.records
