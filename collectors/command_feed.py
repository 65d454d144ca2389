"""Commands out of `gateway.commands`, from a thread of kafka-python's consumer into the sessions' loop.

There is no consumer group. A start reads what was issued within a day: the command book tells which of it was sent
already, and what expired meanwhile can be reported. So no command is lost by a crash between two commits, and none is
sent twice.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

import structlog
from kafka import KafkaConsumer, TopicPartition

from collectors.gateways.command import Command
from infra.topics import GATEWAY_COMMANDS

log = structlog.get_logger(__name__)

LOOK_BACK_MS = 24 * 60 * 60_000
"""Real time, far more than a command lives: those that nobody carried out are still to be reported."""
_POLL_MS = 250


ReadCommand = Callable[[bytes | None, bytes | None], Command | None]
"""The command in a record's key and value; None if it is none for here."""


class CommandFeed:
    """Hands every command of the topic to `take`, in the feed's own thread.

    Args:
        read: Judges records one by one.
        take: Gets the last command of each place.
        pass_over: Gets the commands that a later one of their place overtook before they were handed out.
    """

    def __init__(
        self,
        bootstrap: str,
        *,
        read: ReadCommand,
        take: Callable[[Command], None],
        pass_over: Callable[[Command, Command], None],
    ) -> None:
        self._bootstrap = bootstrap
        self._read = read
        self._take = take
        self._pass_over = pass_over
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
                    self._hand_over(self._commands(consumer))
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
            found += self._commands(consumer)
        self._hand_over(found)
        return True

    def _hand_over(self, commands: Iterable[Command]) -> None:
        """Give out of each place the command that no other overtakes; a gateway's come in the order of issue."""
        last: dict[tuple[str, ...], Command] = {}
        for command in commands:
            earlier = last.get(command.place)
            if earlier is None or command.overtakes(earlier):
                last[command.place] = command
            if earlier is not None and command.overtakes(earlier):
                self._pass_over(earlier, command)
            elif earlier is not None and earlier.overtakes(command):
                self._pass_over(command, earlier)
        for command in last.values():
            self._take(command)

    def _commands(self, consumer: KafkaConsumer) -> Iterator[Command]:
        for records in consumer.poll(timeout_ms=_POLL_MS).values():
            for record in records:
                try:
                    command = self._read(record.key, record.value)
                except Exception as error:
                    # No record may hold up the commands behind it. The ledger repeats what it still wants.
                    place = f"partition {record.partition}, offset {record.offset}"
                    log.critical("record passed over", place=place, error=repr(error))
                    continue
                if command is not None:
                    yield command
