"""One partition's ledger at work: a queue of delivered records, the fold over them, and their commit.

The guarantee, step by step:
1. Opening the log shuts every earlier owner out, then reads what is stored: state and next offsets of one
   transaction.
2. A record below the next offset was taken before: it is acknowledged and dropped. One above it is a gap: the
   process ends. So each record is folded exactly once into the state that the log holds.
3. A batch is folded, then written in one transaction. While it is written, the next records are gathered.
4. Only what is written is acknowledged to Faust. Its offsets serve lag monitoring; the stored ones decide.
5. Whatever fails, the process ends (`fail` never returns): memory may then be ahead of the log, and in
   Faust an
   exception that leaves an agent acknowledges the event.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn, Protocol

import structlog

from streams.core.outcome import Source
from streams.errors import GapError
from streams.log import PartitionLog
from streams.partition import Batch, InputRecord, OpenSite, Partition
from streams.records import NextOffsets

Fail = Callable[[BaseException], NoReturn]
"""Ends the process. Called at the one place where a partition's task has raised."""

_log = structlog.get_logger(__name__)


class Delivery(Protocol):
    """A record as Faust hands it over: `faust.Event`."""

    @property
    def message(self) -> InputRecord: ...
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

    records: int = 512
    bytes: int = 1 << 20
    wait_s: float = 0.01
    commit_s: float = 30.0


@dataclass(frozen=True, slots=True)
class InputBounds:
    """Offsets that an input holds: from `first` up to but not including `end`."""

    first: int
    end: int


class PartitionLedger:
    """The ledger of one partition, from `open` to `close`.

    Args:
        bounds: By input, what the partition's topics hold now; read when the ledger is opened.
    """

    def __init__(
        self,
        number: int,
        *,
        partitions: int,
        log: PartitionLog,
        open_site: OpenSite,
        limits: BatchLimits,
        fail: Fail,
    ) -> None:
        self.number = number
        self._partitions = partitions
        self._log = log
        self._open_site = open_site
        self._limits = limits
        self._fail = fail
        self._queues: Mapping[Source, deque[Delivery]] = {source: deque() for source in Source}
        self._expected: dict[Source, int] = {}
        self._bytes = 0
        self._arrived = asyncio.Event()
        self._full = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._closing = False
        self._partition: Partition | None = None
        self._task: asyncio.Task[None] | None = None

    async def open(self, bounds: Mapping[Source, InputBounds]) -> dict[Source, int]:
        """Take the partition over and begin to work.

        Returns:
            By input, the offset that must be delivered next.
        Raises:
            GapError: An input does not reach from the stored offsets on.
        """
        stored = await self._log.open()
        start = _start(self.number, stored.next, bounds)
        self._partition = Partition(
            self.number,
            partitions=self._partitions,
            start=start,
            pages=stored.pages,
            open_site=self._open_site,
        )
        self._expected = {Source.FRAMES: start.frames, Source.ORDERS: start.orders}
        self._task = asyncio.create_task(self._run(self._partition), name=f"ledger-{self.number}")
        _log.info("partition opened", partition=self.number, pages=len(stored.pages), **_offsets(start))
        return dict(self._expected)

    @property
    def next(self) -> dict[Source, int]:
        """By input, the offset after the last record that was taken from Faust."""
        return dict(self._expected)

    async def put(self, source: Source, delivery: Delivery) -> None:
        """Hand a record over; waits while the queue is full.

        Raises:
            GapError: Records before this one were never delivered.
        """
        if self._closing:
            return  # Its partition is being given up; whoever has it next gets the record again.
        expected = self._expected[source]
        offset = delivery.message.offset
        if offset < expected:
            delivery.ack()
            return
        if offset > expected:
            raise GapError(f"partition {self.number}: {source.name.lower()} {offset} delivered, {expected} comes next")
        self._expected[source] = expected + 1
        self._queues[source].append(delivery)
        self._bytes += len(delivery.message.value or b"")
        self._arrived.set()
        if self._is_full():
            self._full.set()
            # Twice the size of a batch: the next one is complete while this one is being written.
            if self._bytes >= 2 * self._limits.bytes or self._waiting() >= 2 * self._limits.records:
                self._room.clear()
                await self._room.wait()

    async def close(self) -> None:
        """Finish the batch that is being written, drop what waits, and give the partition up."""
        self._closing = True
        self._arrived.set()
        self._full.set()
        self._room.set()
        if self._task is not None:
            await self._task
        await self._log.close()
        _log.info("partition closed", partition=self.number)

    async def _run(self, partition: Partition) -> None:
        """Fold one batch while the one before it is being written."""
        writing: asyncio.Task[None] | None = None
        try:
            while await self._gather(writing):
                orders, frames = self._take()
                batch = partition.take(
                    [delivery.message for delivery in orders], [delivery.message for delivery in frames]
                )
                if writing is not None:
                    await writing
                writing = asyncio.create_task(self._write(batch, [*orders, *frames]))
            if writing is not None:
                await writing
        except BaseException as error:
            self._fail(error)

    async def _write(self, batch: Batch, deliveries: list[Delivery]) -> None:
        """Commit a batch, then acknowledge its records."""
        try:
            async with asyncio.timeout(self._limits.commit_s):
                await self._log.write(batch.outputs)
            for delivery in deliveries:
                delivery.ack()
        except BaseException as error:
            self._fail(error)

    async def _gather(self, writing: "asyncio.Task[None] | None") -> bool:
        """Wait until a batch is worth folding; false when the partition is given up.

        Without a batch being written, that is `wait_s` after the first record, so that a lone round is not
        held up. With one, it is when that is done, or when the next batch is as long as one may be: a
        transaction costs the broker the same for one record as for many.
        """
        await self._arrived.wait()
        if not self._full.is_set():
            full = asyncio.ensure_future(self._full.wait())
            if writing is None or writing.done():
                await asyncio.wait({full}, timeout=self._limits.wait_s)
            else:
                await asyncio.wait({full, writing}, return_when=asyncio.FIRST_COMPLETED)
            full.cancel()
        return not self._closing

    def _take(self) -> tuple[list[Delivery], list[Delivery]]:
        """Remove a batch's orders and frames from the queue: orders first, as far as the limits go."""
        room, size = self._limits.records, self._limits.bytes
        taken: dict[Source, list[Delivery]] = {}
        for source in (Source.ORDERS, Source.FRAMES):
            queue, part = self._queues[source], taken.setdefault(source, [])
            while queue and room > 0 and size > 0:
                delivery = queue.popleft()
                part.append(delivery)
                length = len(delivery.message.value or b"")
                self._bytes -= length
                size -= length
                room -= 1
        if not self._waiting():
            self._arrived.clear()
        if not self._is_full():
            self._full.clear()
        self._room.set()
        return taken[Source.ORDERS], taken[Source.FRAMES]

    def _waiting(self) -> int:
        return sum(len(queue) for queue in self._queues.values())

    def _is_full(self) -> bool:
        return self._bytes >= self._limits.bytes or self._waiting() >= self._limits.records


def _start(number: int, stored: NextOffsets | None, bounds: Mapping[Source, InputBounds]) -> NextOffsets:
    """Where a partition goes on: at the stored offsets, or with the first records if nothing is stored.

    Raises:
        GapError: The input begins later (its retention removed records before they were taken), or ends
            earlier (it is not the topic that was read before). Going on would pass over records in silence.
    """
    if stored is None:
        return NextOffsets(frames=bounds[Source.FRAMES].first, orders=bounds[Source.ORDERS].first, sequence=0)
    for source, wanted in ((Source.FRAMES, stored.frames), (Source.ORDERS, stored.orders)):
        held = bounds[source]
        if not held.first <= wanted <= held.end:
            raise GapError(
                f"partition {number}: {source.name.lower()} {wanted} comes next, "
                f"but the topic holds {held.first} to {held.end}"
            )
    return stored


def _offsets(offsets: NextOffsets) -> dict[str, int]:
    return {"frames": offsets.frames, "orders": offsets.orders, "sequence": offsets.sequence}
