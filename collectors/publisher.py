"""Rounds on their way into `meter.frames`, through kafka-python's idempotent producer.

At most `in_flight_max` rounds wait for Kafka's acknowledgement; beyond that sessions wait too, and a register that was
not read meanwhile shows the same consumption a round later. A round whose delivery failed is sent again; only one that
is larger than the topic takes is given up, and said so. An error that the producer cannot get over ends the process.
"""

import asyncio
import concurrent.futures
import contextlib
import functools

import structlog
from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError

from collectors.clock_watch import ClockWatch
from collectors.wire.round import Round, encode_round
from infra.topics import METER_FRAMES, partition_of, record_bytes_max

log = structlog.get_logger(__name__)

_RETRY_S = 1.0
_BLOCK_MS = 10_000
_CLOSE_S = 10.0


class RoundTooLargeError(Exception):
    """A round that is larger than the topic takes; nothing was sent.

    Attributes:
        size: Its bytes.
    """

    def __init__(self, reason: str, size: int) -> None:
        super().__init__(reason)
        self.size = size


class RoundPublisher:
    """Sends rounds, each to the partition of its site, in order within a gateway.

    Attributes:
        failure: Never done, unless the producer fails for good: then it has the error, and another process must go on.
    """

    def __init__(
        self, bootstrap: str, *, partitions: int, in_flight_max: int = 4096, watch: ClockWatch | None = None
    ) -> None:
        self._producer = KafkaProducer(
            bootstrap_servers=bootstrap.split(","),
            client_id="sluice-collector",
            acks="all",
            enable_idempotence=True,
            linger_ms=2,
            max_block_ms=_BLOCK_MS,
            batch_size=1 << 18,
            # What the broker would refuse must not reach it: that ends the producer, and with it everyone's rounds.
            max_request_size=record_bytes_max(bootstrap, METER_FRAMES),
            allow_auto_create_topics=False,
            # The library's own limit of 30 s would be added to every time that Kafka is away.
            reconnect_backoff_max_ms=1000,
        )
        self._partitions = partitions
        self._slots = asyncio.Semaphore(in_flight_max)
        self._watch = watch
        self._unacknowledged = 0
        self._too_large = 0
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # The producer may block while it looks for Kafka, so it has a thread of its own; one, to keep the order.
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "publisher")

    async def publish(self, taken: Round) -> None:
        """Send a round; returns when it is acknowledged, or dropped because it is larger than the topic takes.

        Raises:
            KafkaError: This producer cannot go on; another one, of a new process, can.
        """
        try:
            await self.deliver(taken)
        except RoundTooLargeError as error:
            # What the meters used meanwhile is in their next round, if that is smaller.
            self._too_large += 1
            told = {"gateway": taken.gateway, "dropped": self._too_large}
            log.error("round dropped: too large", **told, bytes=error.size, error=str(error))

    async def deliver(self, taken: Round) -> None:
        """Send a round; returns when it is acknowledged.

        Raises:
            RoundTooLargeError: It is larger than the topic takes.
            KafkaError: As for `publish`.
        """
        record, key = encode_round(taken), taken.site.encode()
        partition = partition_of(key, self._partitions)
        async with self._slots:
            self._unacknowledged += 1
            while True:
                try:
                    await self._send(key, record, partition)
                except RoundTooLargeError:
                    self._unacknowledged -= 1
                    raise
                except KafkaError as error:
                    if not error.retriable:
                        self._tell_failure(error)
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

    def _tell_failure(self, error: KafkaError) -> None:
        """Say once why the process ends.

        After an error that cannot be retried the idempotent producer is in a state of failure: whatever it is given
        afterwards fails with that same error.
        """
        if not self.failure.done():
            self.failure.set_exception(error)
            log.critical("Kafka's producer failed for good, the collector ends", error=repr(error))

    async def _send(self, key: bytes, record: bytes, partition: int) -> None:
        loop = asyncio.get_running_loop()
        delivered: asyncio.Future[None] = loop.create_future()

        def acknowledge(stamped_ms: int) -> None:
            self._unacknowledged -= 1
            if self._watch is not None:
                self._watch.compare(stamped_ms)
            if not delivered.done():
                delivered.set_result(None)

        def fail(error: BaseException) -> None:
            if not delivered.done():
                delivered.set_exception(error)

        def send() -> None:
            sent = self._producer.send(METER_FRAMES, key=key, value=record, partition=partition)
            sent.add_callback(lambda placed: loop.call_soon_threadsafe(acknowledge, placed.timestamp))
            sent.add_errback(lambda error: loop.call_soon_threadsafe(fail, error))

        try:
            await loop.run_in_executor(self._thread, send)
        except MessageSizeTooLargeError as error:
            # The producer's own check. The same error from the broker is another matter, see `_tell_failure`.
            raise RoundTooLargeError(str(error), len(record)) from error
        await delivered
