"""Faust's Kafka transport, made to start where the ledgers end and to hand records over in bulk.

Faust seeks every assigned partition to the group's committed offset. Here the offsets stored with the ledger's state
decide instead: what the group committed may be behind them (then records would come twice, which costs time) or
beyond them (then records would be passed over, which costs money). Nothing is fetched before the ledgers are open.

Faust makes an event of every record, and each event takes several turns of the event loop, in each of which some
partition may be folding: measured, 270 rounds/s. Here all that one fetch brought of a partition is one event, whose
value is the list of records; membership, assignment, flow control, streams and acknowledgement stay Faust's.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, cast

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.errors import IllegalStateError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage
from mode import ServiceT

Bounds = Mapping[TP, tuple[int, int]]
"""By assigned topic partition, the first offset it holds and the one after its last."""
OpenLedgers = Callable[[Bounds], Awaitable[Mapping[TP, int]]]
"""Opens the ledgers of an assignment and says which offset of each comes next."""

FETCH_WAIT_MS = 20
"""How long the broker holds a fetch that finds nothing.

aiokafka has one fetch a broker under way and leaves out partitions whose last records are not consumed yet. So a fetch
for the idle ones alone (all of `office.orders`, mostly) keeps the busy ones waiting until it returns, with Faust's
setting for up to 1.5 s.
"""
POLL_S = 1.0


class LedgerConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread with shorter fetches."""

    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Faust has no setting for it; the consumer reads the attribute when it starts.
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer


class LedgerConsumer(driver.Consumer):
    """A consumer whose positions after a rebalance are the ledgers', and whose messages are lists of records."""

    def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
        return LedgerConsumerThread(self, loop=self.loop, beacon=self.beacon)

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
        for tp, start in starts.items():
            # Acknowledged anew, so that Faust commits it: a worker that was killed between its commit and Faust's left
            # the group's offset behind, and lag monitoring would never see it catch up while nothing new comes.
            self._committed_offset.pop(tp, None)
            self._acked[tp] = [start - 1] if start else []
            self._acked_index[tp] = {start - 1} if start else set()

    async def _drain_messages(self, fetcher: ServiceT) -> None:
        """Hand over what is fetched, a list a partition, until the consumer or its fetcher stops."""
        while not self.should_stop and not fetcher.should_stop:
            records, _ = await self._wait_next_records(POLL_S)
            generation = self.app.consumer_generation_id
            for tp, fetched in (records or {}).items():
                # What was fetched before a rebalance is dropped: the positions are set anew after it.
                if not self.flow_active or self.app.consumer_generation_id != generation:
                    break
                if fetched:
                    self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
                    await self.wait_first(self.callback(self._to_message(tp, fetched)), self.suspend_flow.wait())

    def on_buffer_full(self, tp: TP) -> None:
        """Nothing: a full queue makes the drain wait.

        Faust would leave the partition out of the next fetches; those that are under way then bring nothing until
        their time is over, though the queue has long been empty again.
        """

    def on_buffer_drop(self, tp: TP) -> None:
        """Nothing, see `on_buffer_full`."""

    def _to_message(self, tp: TP, record: Sequence[ConsumerRecord]) -> ConsumerMessage:
        """A message that stands for a list of records; its offset is the last one's."""
        message = super()._to_message(tp, record[-1])
        message.key = None
        message.value = cast(Any, record)
        return message

    def _new_offset(self, tp: TP) -> int | None:
        """The offset to commit: ledgers acknowledge in order, so the highest is it."""
        acked = self._acked[tp]
        if not acked:
            return None
        offset = max(acked) + 1
        acked.clear()
        self._acked_index[tp].clear()
        return offset


class LedgerTransport(driver.Transport):
    """The transport of an app whose ledgers `open_ledgers` opens."""

    Consumer = LedgerConsumer

    def __init__(self, *args: Any, open_ledgers: OpenLedgers, **options: Any) -> None:
        super().__init__(*args, **options)
        self.open_ledgers = open_ledgers
