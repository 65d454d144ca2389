"""One partition's ledger at work: folds what its intake holds, batch by batch, and commits it.

The guarantee, step by step:
1. Opening the log shuts every earlier owner out, then reads what is stored: state and next offsets of one transaction.
2. A record below the next offset was taken before: it is dropped. One above it is a gap: the process ends. So each
   record is folded exactly once into the state that the log holds.
3. A batch is folded, then written in one transaction. While it is written, the next records are gathered and folded.
4. Only what is written is acknowledged to Faust. Its offsets serve lag monitoring; the stored ones decide.
5. Whatever fails, the process ends (`fail` never returns): memory may then be ahead of the log, and in Faust an
   exception that leaves an agent acknowledges the event.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn

import structlog

from infra.gateway_keys import NO_KEYS, GatewayKeys
from streams.core.outcome import Source
from streams.decode import IsAhead
from streams.errors import GapError
from streams.intake import BatchLimits, Delivery, Intake
from streams.log import PartitionLog
from streams.partition import Batch, OpenSite, Partition
from streams.records import NextOffsets

Fail = Callable[[BaseException], NoReturn]
"""Ends the process."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class InputBounds:
    """Offsets that an input holds: from `first` up to but not including `end`."""

    first: int
    end: int


Bounds = Mapping[Source, InputBounds]


class PartitionLedger:
    """The ledger of one partition: opened once, then working and paused in turn, and closed.

    While it is paused its memory stays: if nobody else opened the partition meanwhile, it goes on where it was. If
    somebody did, the log is fenced, and the next write ends the process.
    """

    def __init__(
        self,
        number: int,
        *,
        partitions: int,
        log: PartitionLog,
        open_site: OpenSite,
        is_ahead: IsAhead,
        limits: BatchLimits,
        fail: Fail,
        keys: GatewayKeys = NO_KEYS,
    ) -> None:
        self.number = number
        self._partitions = partitions
        self._log = log
        self._open_site = open_site
        self._is_ahead = is_ahead
        self._limits = limits
        self._fail = fail
        self._keys = keys
        self._partition: Partition | None = None
        self._intake: Intake | None = None
        self._task: asyncio.Task[None] | None = None

    async def work(self, bounds: Bounds) -> dict[Source, int]:
        """Begin or go on to take records; the first time, take the partition over from whoever had it.

        Args:
            bounds: By input, what its topic holds now.
        Returns:
            By input, the offset that must be delivered next.
        Raises:
            GapError: An input does not reach from the offsets on that come next.
        """
        if self._intake is not None:
            return dict(self._intake.expected)
        if self._partition is None:
            self._partition = await self._open(bounds)
        start = _offsets(self._partition.next)
        _check_reach(self.number, start, bounds)
        self._intake = Intake(self.number, start=start, limits=self._limits)
        self._task = asyncio.create_task(self._run(self._partition, self._intake), name=f"ledger-{self.number}")
        return start

    async def put(self, source: Source, delivery: Delivery) -> None:
        """Hand records over, see `Intake.put`; while the ledger does not work they are dropped."""
        if self._intake is not None:
            await self._intake.put(source, delivery)

    async def pause(self) -> None:
        """Finish what is being folded and written, drop what waits."""
        intake, self._intake = self._intake, None
        task, self._task = self._task, None
        if intake is not None and task is not None:
            intake.close()
            await task

    async def close(self) -> None:
        """Pause for good and give the partition up."""
        await self.pause()
        self._partition = None
        await self._log.close()
        _log.info("partition closed", partition=self.number)

    async def _open(self, bounds: Bounds) -> Partition:
        stored = await self._log.open()
        start = stored.next or NextOffsets(
            frames=bounds[Source.FRAMES].first, orders=bounds[Source.ORDERS].first, sequence=0
        )
        partition = Partition(
            self.number,
            partitions=self._partitions,
            start=start,
            pages=stored.pages,
            open_site=self._open_site,
            is_ahead=self._is_ahead,
            keys=self._keys,
        )
        _log.info(
            "partition opened",
            partition=self.number,
            pages=len(stored.pages),
            frames=start.frames,
            orders=start.orders,
            sequence=start.sequence,
        )
        return partition

    async def _run(self, partition: Partition, intake: Intake) -> None:
        """Fold one batch while the one before it is being written."""
        writing: asyncio.Task[None] | None = None
        try:
            while await intake.gather(writing):
                batch = partition.take(*intake.take())
                if writing is not None:
                    await writing
                writing = asyncio.create_task(self._write(batch, intake))
            if writing is not None:
                await writing
        except BaseException as error:
            self._fail(error)

    async def _write(self, batch: Batch, intake: Intake) -> None:
        """Commit a batch, then acknowledge its records."""
        try:
            async with asyncio.timeout(self._limits.commit_s):
                await self._log.write(batch.outputs)
            intake.note_written(_offsets(batch.next))
        except BaseException as error:
            self._fail(error)


def _offsets(offsets: NextOffsets) -> dict[Source, int]:
    return {Source.FRAMES: offsets.frames, Source.ORDERS: offsets.orders}


def _check_reach(number: int, start: Mapping[Source, int], bounds: Bounds) -> None:
    """See that the inputs hold what comes next.

    Raises:
        GapError: An input begins later (its retention removed records before they were taken), or ends earlier (it is
            not the topic that was read before). Going on would pass over records in silence.
    """
    for source, wanted in start.items():
        held = bounds[source]
        if not held.first <= wanted <= held.end:
            raise GapError(
                f"partition {number}: {source.name.lower()} {wanted} comes next, "
                f"but the topic holds {held.first} to {held.end}"
            )
