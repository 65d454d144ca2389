"""Rounds on their way into `meter.frames`, through kafka-python's idempotent producer.

At most `in_flight_max` rounds wait for Kafka's acknowledgement; beyond that sessions wait too, and a register that was
not read meanwhile shows the same consumption a round later. A round whose delivery failed is sent again; only one that
is too large for Kafka is given up, and said so.
"""

import asyncio
import concurrent.futures
import contextlib
import functools

import structlog
from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError

from collectors.wire.round import Round, encode_round
from infra.topics import MAX_RECORD_BYTES, METER_FRAMES, partition_of

log = structlog.get_logger(__name__)

_RETRY_S = 1.0
_BLOCK_MS = 10_000
_CLOSE_S = 10.0


class RoundPublisher:
    """Sends rounds, each to the partition of its site, in order within a gateway."""

    def __init__(self, bootstrap: str, *, partitions: int, in_flight_max: int = 4096) -> None:
        self._producer = KafkaProducer(
            bootstrap_servers=bootstrap.split(","),
            client_id="sluice-collector",
            acks="all",
            enable_idempotence=True,
            linger_ms=2,
            max_block_ms=_BLOCK_MS,
            batch_size=1 << 18,
            max_request_size=MAX_RECORD_BYTES,
            allow_auto_create_topics=False,
            # The library's own limit of 30 s would be added to every time that Kafka is away.
            reconnect_backoff_max_ms=1000,
        )
        self._partitions = partitions
        self._slots = asyncio.Semaphore(in_flight_max)
        self._unacknowledged = 0
        # The producer may block while it looks for Kafka, so it has a thread of its own; one, to keep the order.
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "publisher")

    async def publish(self, taken: Round) -> None:
        """Send a round; returns when it is acknowledged."""
        record, key = encode_round(taken), taken.site.encode()
        partition = partition_of(key, self._partitions)
        async with self._slots:
            self._unacknowledged += 1
            while True:
                try:
                    await self._send(key, record, partition)
                except MessageSizeTooLargeError as error:
                    # No broker will ever take it. What the meters used meanwhile is in their next, smaller round.
                    self._unacknowledged -= 1
                    log.error("round dropped: too large", gateway=taken.gateway, bytes=len(record), error=repr(error))
                    return
                except KafkaError as error:
                    if not error.retriable:
                        # The producer takes nothing more after such an error: the process ends by it, for a new one.
                        raise
                    log.warning("round not delivered, sent again", gateway=taken.gateway, error=repr(error))
                    await asyncio.sleep(_RETRY_S)
                else:
                    return

    async def close(self) -> None:
        """Deliver what is under way, and end; what Kafka does not take in time is given up, and said so."""
        close = functools.partial(self._producer.close, timeout=_CLOSE_S)
        with contextlib.suppress(KafkaTimeoutError):
            await asyncio.get_running_loop().run_in_executor(self._thread, close)
        self._thread.shutdown()
        # The last acknowledgements are on their way from the producer's thread.
        await asyncio.sleep(0)
        if self._unacknowledged:
            log.warning("ended before Kafka acknowledged all rounds", rounds=self._unacknowledged)

    async def _send(self, key: bytes, record: bytes, partition: int) -> None:
        loop = asyncio.get_running_loop()
        delivered: asyncio.Future[None] = loop.create_future()

        def settle(error: BaseException | None) -> None:
            self._unacknowledged -= error is None
            if not delivered.done():
                if error is None:
                    delivered.set_result(None)
                else:
                    delivered.set_exception(error)

        def send() -> None:
            sent = self._producer.send(METER_FRAMES, key=key, value=record, partition=partition)
            sent.add_callback(lambda _: loop.call_soon_threadsafe(settle, None))
            sent.add_errback(lambda error: loop.call_soon_threadsafe(settle, error))

        await loop.run_in_executor(self._thread, send)
        await delivered
