"""Each row exactly once, whatever fails and whenever."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count

import numpy as np
import pytest

from sinks.clickhouse.blocks import LEASE_S, Blocks
from sinks.clickhouse.registry import Registry
from sinks.clickhouse.sink import Record, Sink
from sinks.clickhouse.tables import TableRows
from sinks.errors import AnotherSinkError, AwayError
from tests.unit.sinks.clickhouse.fakes import FakeDatabase, FakeSource, FakeStore, Fault, KilledError

FAULTS = [fault for fault in Fault if fault is not Fault.NONE]
TOPIC = [Record(partition, 2 * place, b"") for place in range(4) for partition in range(3)]
"""Two offsets apart, as in a log where each record is a transaction with its marker."""


def two_tables(records: Sequence[Record], registry: Registry) -> list[TableRows]:
    """In place of the real columns: two rows a record in each of two months, and one in another table."""

    def rows(table: str, month: int, lines: range) -> TableRows:
        identities = [(record.partition, record.offset, line) for record in records for line in lines]
        columns = zip(("partition", "posting_offset", "line"), zip(*identities, strict=True), strict=True)
        return TableRows(table, month, {name: np.array(column) for name, column in columns}, len(identities))

    return [rows("meters", 0, range(1)), rows("readings", 202601, range(2)), rows("readings", 202602, range(2, 4))]


EXPECTED = {"meters": Counter((each.partition, each.offset, 0) for each in TOPIC)} | {
    "readings": Counter((each.partition, each.offset, line) for each in TOPIC for line in range(4))
}


@pytest.fixture(autouse=True)
def _plain_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sinks.clickhouse.sink.posted", lambda record: record)
    monkeypatch.setattr("sinks.clickhouse.sink.table_rows", two_tables)
    monkeypatch.setattr("sinks.clickhouse.sink.Journal.follow", lambda *_: None)


class World:
    """Sinks that are started again and again until all of the topic is written."""

    def __init__(self, faults: Iterator[Fault], chance: random.Random) -> None:
        self.database = FakeDatabase()
        self._faults = faults
        self._chance = chance
        self._names = count(1)
        self._clock = 0.0
        self._stopped = 0

    def run(self) -> None:
        """Restart the sink after each failure, as a supervisor would."""
        for _ in range(10_000):
            try:
                if self._run_process(steps=None):
                    return
            except (KilledError, AwayError, AnotherSinkError):
                continue
        raise AssertionError("the sink makes no headway")

    def _run_process(self, *, steps: int | None) -> bool:
        """One process until it fails or, without faults left, has written everything."""
        name = f"process-{next(self._names)}"
        while True:
            # Within a process, a failure of Kafka or the database begins again with the same name.
            store = FakeStore(self.database, self._fault, self._run_another)
            blocks = Blocks(store, sink="clickhouse", claimed_by=name, clock=self._tick)
            sink = Sink(blocks=blocks, source=FakeSource(TOPIC, self._chance), load_registry=Registry)
            try:
                sink.recover()
                while steps is None or steps > 0:
                    if not sink.step():
                        return True
                    steps = None if steps is None else steps - 1
                return False
            except AwayError:
                continue

    def _run_another(self) -> None:
        if self._stopped == 2:
            return
        self._stopped += 1
        # The sink may be stopped for long or not.
        self._clock += self._chance.choice((0.0, LEASE_S + 1))
        try:
            self._run_process(steps=self._chance.randint(0, 2))
        except (KilledError, AnotherSinkError):
            pass
        finally:
            self._stopped -= 1

    def _fault(self) -> Fault:
        if self._chance.random() < 0.3:
            self.database.go_on()
        return next(self._faults, Fault.NONE)

    def _tick(self) -> float:
        self._clock += 0.01
        return self._clock

    def check(self) -> None:
        """All rows once; positions behind the last record; blocks without gaps."""
        self.database.go_on()
        found = {table: Counter(row for _, row in rows) for table, rows in self.database.tables.items()}
        assert found == EXPECTED
        for partition in range(3):
            last = max(each.offset for each in TOPIC if each.partition == partition)
            assert self.database.positions[partition] in (last + 1, last + 2)
        numbers = {claim.block.number for claim in self.database.claims}
        assert numbers == set(range(1, self.database.finished + 1))


def run_with(faults: list[Fault], seed: int) -> None:
    world = World(iter(faults), random.Random(seed))
    world.run()
    world.check()


def test_all_rows_are_written_once_without_faults() -> None:
    run_with([], seed=1)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.lower())
def test_one_fault_at_each_request_costs_no_row(fault: Fault) -> None:
    for place in range(120):
        run_with([Fault.NONE] * place + [fault], seed=place)


@pytest.mark.parametrize("seed", range(8))
def test_any_faults_at_any_requests_cost_no_row(seed: int) -> None:
    chance = random.Random(seed)
    for case in range(400):
        density = chance.choice((0.03, 0.1, 0.3))
        faults = [chance.choice(FAULTS) if chance.random() < density else Fault.NONE for _ in range(200)]
        run_with(faults, seed=case)


@pytest.mark.parametrize("seed", range(4))
def test_the_topic_read_again_from_offset_0_adds_no_row(seed: int) -> None:
    """Into the same tables, in blocks cut elsewhere, with faults."""
    chance = random.Random(seed)
    for case in range(200):
        faults = [chance.choice(FAULTS) if chance.random() < 0.1 else Fault.NONE for _ in range(200)]
        world = World(iter(faults), random.Random(case))
        world.run()
        world.database.go_on()
        world.database.forget_sink()
        world.run()
        world.check()
