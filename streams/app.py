"""The Faust app: membership, assignment and delivery are Faust's; the ledgers behind it give the guarantee."""

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import faust
from faust.types import TP, AppT, Message

from infra.topics import METER_FRAMES, OFFICE_ORDERS
from streams.core.outcome import Source
from streams.ledger import Fail, InputBounds
from streams.ledgers import Ledgers
from streams.transport import Bounds, LedgerTransport

INPUTS: Mapping[str, Source] = {METER_FRAMES: Source.FRAMES, OFFICE_ORDERS: Source.ORDERS}

FETCH_BYTES = 4 << 20
"""Of one partition in one fetch: some hundred rounds."""


class AsDelivered(faust.Schema[Any, Any]):
    """Keys and values as the transport hands them over; the ledger reads them."""

    def loads_key(self, app: AppT, message: Message, **_: Any) -> Any:
        return message.key

    def loads_value(self, app: AppT, message: Message, **_: Any) -> Any:
        return message.value


class LedgerApp(faust.App):
    """A Faust app that hands every record of the two inputs to its partition's ledger.

    Args:
        ledgers: Of this worker.
        fail: Ends the process; whatever goes wrong here ends there.
        options: Faust's own settings.
    """

    def __init__(self, *args: Any, ledgers: Ledgers, fail: Fail, **options: Any) -> None:
        self._ledgers = ledgers
        self._fail = fail
        super().__init__(*args, **options)

    def _new_transport(self) -> LedgerTransport:
        return LedgerTransport(self.conf.broker_consumer, self, open_ledgers=self._open_ledgers)

    def _crash(self, reason: BaseException) -> None:
        """Called by Faust when any of its services is past help; the process would otherwise idle on."""
        self._fail(reason)

    async def on_stop(self) -> None:
        """Close the ledgers first, so that what they commit last is acknowledged before the consumer stops."""
        await self._ledgers.keep(set())
        await super().on_stop()

    async def _open_ledgers(self, bounds: Bounds) -> Mapping[TP, int]:
        by_partition: dict[int, dict[Source, InputBounds]] = {}
        names: dict[tuple[Source, int], TP] = {}
        for tp, (first, end) in bounds.items():
            source = INPUTS[tp.topic]
            by_partition.setdefault(tp.partition, {})[source] = InputBounds(first, end)
            names[source, tp.partition] = tp
        try:
            starts = await self._ledgers.work(by_partition)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._fail(error)
        return {names[place]: offset for place, offset in starts.items()}


def build_app(
    *, application: str, member: str, bootstrap: str, worker: int, data_dir: str, ledgers: Ledgers, fail: Fail
) -> LedgerApp:
    """The app of one worker.

    Args:
        application: Consumer group, and the first part of the ledgers' transactional ids.
        member: Name in the group, no other worker's on any host; a restarted worker keeps it.
        worker: Number among the workers on this host; a restarted worker keeps it.
    """
    app = LedgerApp(
        application,
        ledgers=ledgers,
        fail=fail,
        broker=[f"kafka://{server}" for server in bootstrap.split(",")],
        datadir=data_dir,
        store="memory://",
        # Static membership: a worker that is killed and started again within the session timeout takes its
        # partitions back at once and nobody else's are touched.
        consumer_group_instance_id=member,
        # An event holds all that a fetch brought of a partition; more of them would only fill the memory.
        stream_buffer_maxsize=8,
        broker_commit_interval=1.0,
        broker_session_timeout=10.0,
        broker_heartbeat_interval=2.0,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=FETCH_BYTES,
        # Keeps Faust's own assignor, which gives both inputs of a partition to one worker; without tables and
        # standbys it would take a round-robin one, which does not.
        table_standby_replicas=1,
        # What waits in a ledger's queue when its partition goes is never acknowledged; Faust would wait for ever.
        stream_wait_empty=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        # Nothing listens there, but the assignor knows workers by it.
        web_port=6066 + worker,
    )
    inputs = app.topic(*INPUTS, schema=AsDelivered())

    @app.agent(inputs, name="ledger")
    async def post(deliveries: faust.StreamT[Any]) -> None:
        try:
            async for event in cast("faust.Stream[Any]", deliveries).noack().events():
                place = event.message.tp
                await ledgers.put(INPUTS[place.topic], place.partition, event)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            # Not to be left to Faust: it would acknowledge the event, restart the agent and go on after it.
            fail(error)

    @app.on_partitions_revoked.connect
    async def pause(*_: Any, **__: Any) -> None:
        # A rebalance takes every partition from every worker and mostly gives it back; reading a large one's state
        # anew each time would take longer than the rebalance.
        try:
            await ledgers.pause()
        except BaseException as error:
            fail(error)

    @app.on_partitions_assigned.connect
    async def keep(*arguments: Any, **_: Any) -> None:
        _app, assigned = arguments
        try:
            await ledgers.keep({tp.partition for tp in assigned})
        except BaseException as error:
            fail(error)

    return app
