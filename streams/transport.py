"""Faust's Kafka transport, made to start where the ledgers end.

Faust seeks every assigned partition to the group's committed offset. Here the offsets stored with the ledger's state
decide instead: what the group committed may be behind them (then records would come twice, which costs time) or
beyond them (then records would be passed over, which costs money). Nothing is fetched before the ledgers are open.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from aiokafka.errors import IllegalStateError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

Bounds = Mapping[TP, tuple[int, int]]
"""By assigned topic partition, the first offset it holds and the one after its last."""
OpenLedgers = Callable[[Bounds], Awaitable[Mapping[TP, int]]]
"""Opens the ledgers of an assignment and says which offset of each comes next."""


class LedgerConsumer(driver.Consumer):
    """A consumer whose positions after a rebalance are the ledgers'."""

    async def perform_seek(self) -> None:
        """Called by Faust after every rebalance, before fetching begins."""
        assigned = self.assignment()
        if not assigned:
            return
        first = await self.earliest_offsets(*assigned)
        end = await self.highwaters(*assigned)
        transport = cast(LedgerTransport, self.transport)
        starts = await transport.open_ledgers({tp: (first[tp], end[tp]) for tp in assigned})
        try:
            await self.seek_wait(starts)
        except IllegalStateError:
            # Another rebalance has taken the partition while its ledger opened; it closes that, and calls again.
            self.log.info("assignment changed while its ledgers opened")
            return
        self._committed_offset.update(starts)


class LedgerTransport(driver.Transport):
    """The transport of an app whose ledgers `open_ledgers` opens."""

    Consumer = LedgerConsumer

    def __init__(self, *args: Any, open_ledgers: OpenLedgers, **options: Any) -> None:
        super().__init__(*args, **options)
        self.open_ledgers = open_ledgers
