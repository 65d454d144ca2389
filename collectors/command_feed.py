"""Commands out of `gateway.commands`, from a thread of kafka-python's consumer into the sessions' loop.

There is no consumer group. A start reads what was issued as long ago as a command lives, and the command book tells
which of it was sent already; so no command is lost by a crash between two commits, and none is sent twice.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

import structlog
from kafka import KafkaConsumer, TopicPartition

from collectors.gateways.command import Command, CommandError, read_command
from infra.topics import GATEWAY_COMMANDS

log = structlog.get_logger(__name__)

LOOK_BACK_MS = 15 * 60_000
"""Real time; with a virtual clock that runs faster, commands from so far back have long expired."""
_POLL_MS = 250


class CommandFeed:
    """Hands every command of the topic to `take`, in the feed's own thread."""

    def __init__(self, bootstrap: str, take: Callable[[Command], None]) -> None:
        self._bootstrap = bootstrap
        self._take = take
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="commands", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                self._follow()
            except Exception as error:
                # Kafka is away or restarts: look back and go on, the command book drops what was sent.
                log.warning("commands interrupted", error=repr(error))
                self._ending.wait(1.0)

    def _follow(self) -> None:
        consumer = KafkaConsumer(
            bootstrap_servers=self._bootstrap.split(","),
            client_id="sluice-collector",
            group_id=None,
            enable_auto_commit=False,
            isolation_level="read_committed",
            auto_offset_reset="latest",
            fetch_max_wait_ms=100,
            reconnect_backoff_max_ms=1000,
        )
        try:
            partitions = consumer.partitions_for_topic(GATEWAY_COMMANDS)
            if not partitions:
                raise LookupError(f"{GATEWAY_COMMANDS} is not there (yet)")
            places = [TopicPartition(GATEWAY_COMMANDS, partition) for partition in sorted(partitions)]
            consumer.assign(places)
            since = time.time_ns() // 1_000_000 - LOOK_BACK_MS
            ends = consumer.end_offsets(places)
            for place, found in consumer.offsets_for_times(dict.fromkeys(places, since)).items():
                consumer.seek(place, ends[place] if found is None else found.offset)
            if self._take_backlog(consumer, places, ends):
                while not self._ending.is_set():
                    for command in _last_words(_commands(consumer)):
                        self._take(command)
        finally:
            consumer.close()

    def _take_backlog(
        self, consumer: KafkaConsumer, places: list[TopicPartition], ends: Mapping[TopicPartition, int]
    ) -> bool:
        """Hand over the last command of each place that was issued before the start; False if told to end meanwhile.

        Not one by one: the first would be carried out before the one that takes it back is read.
        """
        found: list[Command] = []
        while any(consumer.position(place) < ends[place] for place in places):
            if self._ending.is_set():
                return False
            found += _commands(consumer)
        for command in _last_words(found):
            self._take(command)
        return True


def _last_words(commands: Iterable[Command]) -> Iterable[Command]:
    """Of each place the command that no other overtakes; a gateway's come in the order of issue."""
    last: dict[tuple[str, str, str], Command] = {}
    for command in commands:
        earlier = last.get(command.place)
        if earlier is None or command.overtakes(earlier):
            last[command.place] = command
    return last.values()


def _commands(consumer: KafkaConsumer) -> Iterator[Command]:
    for records in consumer.poll(timeout_ms=_POLL_MS).values():
        for record in records:
            try:
                yield read_command(record.value or b"")
            except CommandError as error:
                log.warning("no command", error=str(error))
