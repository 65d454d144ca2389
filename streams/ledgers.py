"""The partition ledgers of one worker: opened when Faust assigns partitions, closed when it takes them
back."""

import asyncio
from collections.abc import Callable, Mapping

from streams.core.outcome import Source
from streams.errors import AssignmentError
from streams.ledger import Delivery, InputBounds, PartitionLedger

Bounds = Mapping[int, Mapping[Source, InputBounds]]
"""By partition and input, what the topics hold."""


class Ledgers:
    """Opens and closes are one after the other: a rebalance may follow the one before while that still
    opens."""

    def __init__(self, make: Callable[[int], PartitionLedger]) -> None:
        self._make = make
        self._open: dict[int, PartitionLedger] = {}
        self._lock = asyncio.Lock()

    async def open(self, bounds: Bounds) -> dict[tuple[Source, int], int]:
        """Open what is not open yet.

        Returns:
            By input and partition, the offset that must be delivered next.
        Raises:
            AssignmentError: A partition without both its inputs.
            GapError: See `PartitionLedger.open`.
        """
        for number, inputs in bounds.items():
            if set(inputs) != set(Source):
                raise AssignmentError(
                    f"partition {number} is assigned with {[source.name.lower() for source in inputs]} alone"
                )
        async with self._lock:
            # Side by side: most of an opening is waiting for the broker.
            new = {number: self._make(number) for number in bounds if number not in self._open}
            await asyncio.gather(*(ledger.open(bounds[number]) for number, ledger in new.items()))
            self._open.update(new)
            return {(source, number): offset for number in bounds for source, offset in self._open[number].next.items()}

    async def put(self, source: Source, partition: int, delivery: Delivery) -> None:
        """Hand a record to its partition's ledger; dropped if that is closed, whoever has it next gets it
        again."""
        ledger = self._open.get(partition)
        if ledger is not None:
            await ledger.put(source, delivery)

    async def close(self) -> None:
        """Close all."""
        async with self._lock:
            closing, self._open = self._open, {}
            await asyncio.gather(*(ledger.close() for ledger in closing.values()))
