"""A partition's log on Kafka: a transactional producer that fences every earlier owner.

The transactional id names the partition, so `InitProducerId` of a new owner ends the open transaction of
the one before and makes all its later writes fail: two workers that both believe they own a partition
cannot both write it. State, next offsets and outputs of a batch are one transaction; readers with
`read_committed` see all or nothing.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.protocol.transaction import EndTxnRequest

from infra.topics import LEDGER_STATE
from streams.errors import StreamsError
from streams.log import Output, Stored
from streams.records import NEXT_KEY, NextOffsets, decode_next

MAX_BATCH_BYTES = 4 << 20
"""Of one produce request for one partition; a single larger record still goes alone."""
READ_BYTES = 16 << 20
"""Of one fetch while the state is read."""


class UncertainEndError(StreamsError):
    """Nobody knows whether the broker has carried out, or will yet carry out, the end of a transaction."""


class KafkaLog:
    """`PartitionLog` over the topics of one Kafka cluster.

    Args:
        partition: Of `ledger.state`, and the last part of the transactional id.
        application: The first part of the transactional id. Two ledgers on one cluster need different ones.
        timeout_s: The longest a transaction may stay open; the broker then aborts it.
    """

    def __init__(self, bootstrap: str, *, application: str, partition: int, timeout_s: float) -> None:
        self._bootstrap = bootstrap
        self._application = application
        self._state = TopicPartition(LEDGER_STATE, partition)
        self._timeout_s = timeout_s
        self._producer: AIOKafkaProducer | None = None

    async def open(self) -> Stored:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            client_id=f"{self._application}-{self._state.partition}",
            transactional_id=f"{self._application}-{self._state.partition}",
            acks="all",
            enable_idempotence=True,
            max_batch_size=MAX_BATCH_BYTES,
            transaction_timeout_ms=int(self._timeout_s * 1000),
        )
        producer.client.send = _answered_or_void(producer.client.send)
        # 1. Fence. Only after this is nothing added to the state any more, so only now is its end the end.
        await producer.start()
        self._producer = producer
        # 2. Read what was committed.
        return await self._read()

    async def write(self, outputs: Sequence[Output]) -> None:
        producer = self._producer
        assert producer is not None, "written before it was opened"
        await producer.begin_transaction()
        sent = [await self._send(topic, partition, batch) for topic, partition, batch in self._batches(outputs)]
        # Every batch must be acknowledged before the commit is asked for: aiokafka's commit waits for them
        # too, but does not look whether they failed.
        await asyncio.gather(*sent)
        await producer.commit_transaction()

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    async def _send(self, topic: str, partition: int, batch: BatchBuilder) -> "asyncio.Future[object]":
        assert self._producer is not None
        sent: asyncio.Future[object] = await self._producer.send_batch(batch, topic, partition=partition)
        return sent

    def _batches(self, outputs: Sequence[Output]) -> list[tuple[str, int, BatchBuilder]]:
        """Outputs in their order, gathered to one produce batch a partition where they fit.

        A batch made here costs one future and no copy of a record's value beyond its own; `send` would cost
        both for each record.
        """
        assert self._producer is not None
        now = int(time.time() * 1000)
        open_batches: dict[tuple[str, int], BatchBuilder] = {}
        batches = []
        for topic, partition, key, value in outputs:
            place = (topic, partition)
            batch = open_batches.get(place)
            if batch is None or batch.append(timestamp=now, key=key, value=value) is None:
                batch = open_batches[place] = self._producer.create_batch()
                batches.append((topic, partition, batch))
                appended = batch.append(timestamp=now, key=key, value=value)
                assert appended is not None, "an empty batch takes any record"
        return batches

    async def _read(self) -> Stored:
        reader = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=READ_BYTES,
        )
        await reader.start()
        try:
            return await self._read_with(reader)
        finally:
            await reader.stop()

    async def _read_with(self, reader: AIOKafkaConsumer) -> Stored:
        state = self._state
        reader.assign([state])
        begin = (await reader.beginning_offsets([state]))[state]
        end = (await reader.end_offsets([state]))[state]
        pages: dict[bytes, bytes] = {}
        stored: NextOffsets | None = None
        reader.seek(state, begin)
        # The last offset is a transaction's marker, which is never handed out: the position passes it.
        while await reader.position(state) < end:
            for record in (await reader.getmany(state, timeout_ms=100)).get(state, ()):
                if record.key == NEXT_KEY:
                    stored = decode_next(record.value)
                elif record.value is None:
                    pages.pop(record.key, None)
                else:
                    pages[record.key] = record.value
        return Stored(stored, pages)


Send = Callable[..., Awaitable[Any]]


def _answered_or_void(send: Send) -> Send:
    """A client's `send` that lets an end of a transaction be tried once only.

    aiokafka repeats `EndTxn` when no answer came. The first one may still be on its way: carried out after the repeat,
    it would commit the first half of the next transaction. Kafka's own client of version 4 tells them apart by a new
    epoch for each transaction, for which aiokafka's protocol is too old. Here an owner that got no answer is void; the
    next one's `InitProducerId` raises the epoch, which shuts the late request out.
    """

    async def send_once(node_id: int, request: Any, **options: Any) -> Any:
        try:
            return await send(node_id, request, **options)
        except KafkaError as error:
            if isinstance(request, EndTxnRequest):
                raise UncertainEndError(f"no answer to the end of a transaction: {error!r}") from error
            raise

    return send_once
