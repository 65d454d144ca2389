"""The partition ledgers of one worker: they work while Faust assigns their partitions to it."""

import asyncio
from collections.abc import Callable, Mapping, Set

from streams.core.outcome import Source
from streams.errors import AssignmentError
from streams.intake import Delivery
from streams.ledger import Bounds, PartitionLedger


class Ledgers:
    """One change after the other: a rebalance may follow the one before while ledgers still open for that."""

    def __init__(self, make: Callable[[int], PartitionLedger]) -> None:
        self._make = make
        self._open: dict[int, PartitionLedger] = {}
        self._lock = asyncio.Lock()

    async def work(self, bounds: Mapping[int, Bounds]) -> dict[tuple[Source, int], int]:
        """Have the ledgers of these partitions work, and no others.

        Args:
            bounds: By partition, what its inputs hold.
        Returns:
            By input and partition, the offset that must be delivered next.
        Raises:
            AssignmentError: A partition without both its inputs.
            GapError: See `PartitionLedger.work`.
        """
        for number, inputs in bounds.items():
            if set(inputs) != set(Source):
                raise AssignmentError(
                    f"partition {number} is assigned with {[source.name.lower() for source in inputs]} alone"
                )
        await self.keep(bounds.keys())
        async with self._lock:
            for number in bounds:
                if number not in self._open:
                    self._open[number] = self._make(number)
            # Side by side: most of an opening is waiting for the broker.
            starts = await asyncio.gather(*(self._open[number].work(bounds[number]) for number in bounds))
            return {
                (source, number): offset
                for number, start in zip(bounds, starts, strict=True)
                for source, offset in start.items()
            }

    async def put(self, source: Source, partition: int, delivery: Delivery) -> None:
        """Hand records to their partition's ledger; dropped if there is none, whoever has it next gets them again."""
        ledger = self._open.get(partition)
        if ledger is not None:
            await ledger.put(source, delivery)

    async def pause(self) -> None:
        """Have all finish what they are at; returns when nothing is being written any more."""
        async with self._lock:
            await asyncio.gather(*(ledger.pause() for ledger in self._open.values()))

    async def keep(self, partitions: Set[int]) -> None:
        """Close all others."""
        async with self._lock:
            gone = [self._open.pop(number) for number in list(self._open) if number not in partitions]
            await asyncio.gather(*(ledger.close() for ledger in gone))
