"""What blocks refuse to do: go on with what contradicts itself, or with what was looked at too long ago."""

from collections.abc import Callable

import numpy as np
import pytest

from sinks.clickhouse.blocks import ATTEMPTS, LEASE_S, Block, Blocks, Claim, Span, insert_token
from sinks.clickhouse.tables import TableRows
from sinks.errors import AwayError, SinkError
from tests.unit.sinks.clickhouse.fakes import FakeDatabase, FakeStore, Fault, rows_of

BLOCK = Block(1, (Span(0, 0, 4),))
ROWS = TableRows(
    "readings",
    202601,
    {"partition": np.zeros(2, int), "posting_offset": np.array([0, 2]), "line": np.zeros(2, int)},
    2,
)


class Clock:
    """Stands still until it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def blocks_on(store: FakeStore, clock: Callable[[], float] | None = None) -> Blocks:
    return Blocks(store, sink="clickhouse", claimed_by="me", clock=clock or Clock())


@pytest.fixture
def database() -> FakeDatabase:
    return FakeDatabase()


@pytest.fixture
def store(database: FakeDatabase) -> FakeStore:
    return FakeStore(database, lambda: Fault.NONE, lambda: None)


def found(database: FakeDatabase) -> list[tuple[int, ...]]:
    return sorted(row for _, row in database.tables.get("readings", []))


@pytest.mark.parametrize(("first", "following"), [(4, 4), (5, 4), (-1, 3)], ids=["empty", "backwards", "negative"])
def test_a_span_that_holds_nothing(first: int, following: int) -> None:
    with pytest.raises(ValueError, match="is empty"):
        Span(0, first, following)


@pytest.mark.parametrize("partitions", [(1, 0), (0, 0)], ids=["out of order", "twice"])
def test_a_block_whose_spans_are_not_in_order(partitions: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="not each one once and in order"):
        Block(1, tuple(Span(partition, 0, 1) for partition in partitions))


def test_a_block_that_was_looked_at_too_long_ago(store: FakeStore, database: FakeDatabase) -> None:
    clock = Clock()
    blocks = blocks_on(store, clock)
    blocks.claim(BLOCK)
    clock.now += LEASE_S + 1
    with pytest.raises(AwayError, match="last looked at"):
        blocks.write(BLOCK, [ROWS], begun_before=False)
    assert found(database) == []
    blocks.load()
    assert blocks.write(BLOCK, [ROWS], begun_before=True) == 2
    assert found(database) == sorted(rows_of(ROWS))


def test_claims_that_run_ahead_of_what_is_finished(store: FakeStore, database: FakeDatabase) -> None:
    database.claims = [Claim(Block(3, BLOCK.spans), "me")]
    database.finished = 1
    with pytest.raises(SinkError, match="blocks after 2 are claimed, but only 1 are finished"):
        blocks_on(store).load()


def test_a_claim_whose_record_was_deleted_by_hand(store: FakeStore, database: FakeDatabase) -> None:
    blocks = blocks_on(store)
    blocks.claim(BLOCK)
    database.claims.clear()
    with pytest.raises(SinkError, match="its token is spent, its record is gone"):
        blocks.claim(BLOCK)


@pytest.mark.parametrize("kept", [0, 1], ids=["none", "some"])
def test_rows_that_were_taken_away_are_put_back_under_the_next_token(
    store: FakeStore, database: FakeDatabase, kept: int
) -> None:
    blocks = blocks_on(store)
    blocks.claim(BLOCK)
    blocks.write(BLOCK, [ROWS], begun_before=False)
    for attempt in (1, 2):
        del database.tables["readings"][kept:]
        blocks.write(BLOCK, [ROWS], begun_before=True)
        assert found(database) == sorted(rows_of(ROWS))
        assert ("readings", insert_token("clickhouse", BLOCK, ROWS, attempt)) in database.tokens


def test_a_database_that_loses_what_it_acknowledged(
    store: FakeStore, database: FakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    inserts: list[str] = []
    monkeypatch.setattr(store, "insert", lambda rows, *, token: inserts.append(token))
    with pytest.raises(SinkError, match=f"has not the block's 2 rows after {ATTEMPTS} acknowledged inserts"):
        blocks_on(store).write(BLOCK, [ROWS], begun_before=True)
    assert len(set(inserts)) == ATTEMPTS
    assert database.finished == 0


def test_events_that_are_too_old_to_be_kept_stop_nothing(
    store: FakeStore, database: FakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert = store.insert
    monkeypatch.setattr(
        store, "insert", lambda rows, *, token: None if rows.table == "alarms" else insert(rows, token=token)
    )
    events = TableRows("alarms", ROWS.month, ROWS.columns, ROWS.count)
    assert blocks_on(store).write(BLOCK, [events, ROWS], begun_before=True) == 2 * ROWS.count
    assert found(database) == sorted(rows_of(ROWS))
    assert database.finished == BLOCK.number


def test_a_token_names_the_sink_the_block_its_spans_the_table_the_month_and_the_attempt() -> None:
    tokens = {
        insert_token(sink, Block(number, (Span(0, 0, end),)), TableRows(table, month, {}, 0), attempt)
        for sink in ("a", "b")
        for number in (1, 2)
        for end in (3, 4)
        for table in ("readings", "pieces")
        for month in (202601, 202602)
        for attempt in (0, 1)
    }
    assert len(tokens) == 2**6
