"""A Kafka and a ledger of a test's own, and all that the ledger made of what it took."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kafka import KafkaProducer
from typer.testing import CliRunner, Result

from infra.cli.app import app
from infra.endpoints import kafka_bootstrap
from infra.settings import Settings
from infra.topics import METER_FRAMES, OFFICE_ORDERS, partition_of
from streams.core.outcome import Flag, Refusal
from tests.conftest import lend_jars, start_part, stop_part
from tests.ledger_replay import Tail, Topics

PARTITIONS = 2


@dataclass
class OwnLedger:
    """What a test sends to the ledger and sees of it.

    Attributes:
        readings: Meter's running number in its site, register and consumption in Wh, and flags, in the order of taking.
    """

    settings: Settings
    bootstrap: str
    topics: Topics
    _tail: Tail
    _producer: KafkaProducer
    readings: list[tuple[int, int, int, Flag]] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    balances: dict[tuple[str, int], int] = field(default_factory=dict)
    """Nano-yuan by site and account's running number, after its latest reading."""
    _taken: dict[int, tuple[int, int]] = field(default_factory=dict)

    def send_orders(self, site: str, values: Iterable[bytes]) -> None:
        self._send(OFFICE_ORDERS, site, values)

    def send_rounds(self, site: str, values: Iterable[bytes]) -> None:
        self._send(METER_FRAMES, site, values)

    def settle(self) -> Sequence[tuple[int, int, int, Flag]]:
        """Wait until all that the topics hold is taken; the readings of that since the last call."""
        known = len(self.readings)
        ends = {
            number: (self.topics.end(METER_FRAMES, number), self.topics.end(OFFICE_ORDERS, number))
            for number in range(PARTITIONS)
        }
        while any(self._taken.get(number, (0, 0)) != end for number, end in ends.items() if end != (0, 0)):
            for number, posting in self._tail.news():
                self._taken[number] = (posting.inputs.frames.next, posting.inputs.orders.next)
                self.refusals += posting.outcome.refusals
                for row in posting.outcome.readings.tolist():
                    named = dict(zip(posting.outcome.readings.dtype.names or (), row, strict=True))
                    meter, register, consumption = named["meter"], named["register"], named["consumption"]
                    self.readings.append((meter, register, consumption, Flag(named["flags"])))
                    self.balances[posting.site, named["account"]] = named["balance"]
        return self.readings[known:]

    def sluice(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, arguments, env=self.settings.to_environment(), catch_exceptions=False)

    def _send(self, topic: str, site: str, values: Iterable[bytes]) -> None:
        partition = partition_of(site.encode(), PARTITIONS)
        sent: list[Any] = [
            self._producer.send(topic, value, key=site.encode(), partition=partition) for value in values
        ]
        for future in sent:
            future.get(timeout=30)

    def close(self) -> None:
        self._producer.close()
        self._tail.close()
        self.topics.close()


@contextmanager
def own_ledger(folder: Path, *more_parts: str, **settings: Any) -> Iterator[OwnLedger]:
    """A Kafka and a ledger in a folder, and more parts beside them."""
    own = Settings(data_dir=folder, kafka="", partitions=PARTITIONS, speed=1, **settings)
    lend_jars(folder)
    with ExitStack() as parts:
        for part in ("kafka", "ledger", *more_parts):
            parts.callback(stop_part, start_part(own, part))
        bootstrap = kafka_bootstrap(own)
        ledger = OwnLedger(
            own,
            bootstrap,
            Topics(bootstrap, PARTITIONS),
            Tail(bootstrap, PARTITIONS),
            KafkaProducer(bootstrap_servers=bootstrap, acks="all"),
        )
        parts.callback(ledger.close)
        yield ledger
