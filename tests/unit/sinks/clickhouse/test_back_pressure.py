"""While the database does not answer, the sink holds two blocks: the one that it writes, and the next."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from sinks.clickhouse.blocks import Block, Blocks, Span
from sinks.clickhouse.registry import Registry
from sinks.clickhouse.sink import Gathered, Record, Sink
from sinks.clickhouse.tables import TableRows
from tests.unit.sinks.clickhouse.fakes import FakeDatabase, FakeStore, Fault

STEPS = 5


class EndlessSource:
    """A topic that always has the next record."""

    def __init__(self) -> None:
        self.gathered = 0

    def seek(self, positions: Mapping[int, int]) -> None:
        pass

    def gather(self) -> Gathered:
        first = self.gathered
        self.gathered += 1
        return Gathered((Span(0, first, first + 1),), [Record(0, first, b"")])

    def read(self, spans: Sequence[Span]) -> list[Record]:
        raise AssertionError("there is no unfinished block")


class StuckStore(FakeStore):
    """A database whose inserts take until they are let go on."""

    def __init__(self) -> None:
        super().__init__(FakeDatabase(), faults=lambda: Fault.NONE, others=lambda: None)
        self.asked, self.go_on = Event(), Event()

    def insert(self, rows: TableRows, *, token: str) -> None:
        self.asked.set()
        self.go_on.wait()


def test_two_blocks_are_held_while_the_database_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def one_table(records: Sequence[Record], registry: Registry) -> list[TableRows]:
        return [TableRows("readings", 202601, {}, len(records))]

    monkeypatch.setattr("sinks.clickhouse.sink.posted", lambda record: record)
    monkeypatch.setattr("sinks.clickhouse.sink.Journal.follow", lambda *_: None)
    monkeypatch.setattr("sinks.clickhouse.sink.table_rows", one_table)
    source, store = EndlessSource(), StuckStore()
    blocks = Blocks(store, sink="clickhouse", claimed_by="a", clock=lambda: 0.0)
    with ThreadPoolExecutor(max_workers=1) as ahead, ThreadPoolExecutor(max_workers=1) as writer:
        sink = Sink(blocks=blocks, source=source, load_registry=Registry, ahead=ahead)
        sink.recover()
        step = writer.submit(sink.step)
        assert store.asked.wait(timeout=30)
        # Behind the next block's gathering in the line of its one thread: when this is done, nothing else waits there.
        ahead.submit(lambda: None).result()
        assert source.gathered == 2
        assert not step.done()
        store.go_on.set()
        assert step.result() == 1
        for written in range(2, STEPS):
            assert sink.step() == 1
            ahead.submit(lambda: None).result()
            assert source.gathered == written + 1
        assert store.claims(after=STEPS - 2)[0].block == Block(STEPS - 1, (Span(0, STEPS - 2, STEPS - 1),))
