"""The ledger's batches are gone through one after the other; where some are missing, nothing more is written."""

import random
from collections.abc import Sequence

import pytest

from sinks.clickhouse.blocks import Blocks
from sinks.clickhouse.journal import Journal, LedgerBatch
from sinks.clickhouse.registry import Registry
from sinks.clickhouse.sink import Record, Sink, posted
from sinks.errors import GapError
from streams.core.outcome import Outcome
from streams.postings import Inputs, Postings, Span, encode_postings
from tests.unit.sinks.clickhouse.fakes import FakeDatabase, FakeSource, FakeStore, Fault


def inputs(first: int, end: int, orders: tuple[int, int] = (0, 0)) -> Inputs:
    return Inputs(Span(first, end), Span(*orders))


def batch(sequence: int) -> LedgerBatch:
    """One that took three frames, as every batch here does."""
    return LedgerBatch(sequence, inputs(3 * sequence, 3 * sequence + 3))


def record(partition: int, offset: int, of: LedgerBatch) -> Record:
    return Record(partition, offset, encode_postings(Postings("S1", partition, of.sequence, of.inputs, Outcome())))


def follow(batches: Sequence[LedgerBatch], last: dict[int, LedgerBatch]) -> None:
    Journal(last).follow([posted(record(0, 2 * place, each)) for place, each in enumerate(batches)])


@pytest.mark.parametrize(
    ("sequences", "last"),
    [
        pytest.param([0, 1, 2], {}, id="from the beginning"),
        pytest.param([7, 8], {}, id="into an empty database"),
        pytest.param([5, 5, 5, 6], {0: 4}, id="several postings of a batch"),
        pytest.param([4, 5], {0: 4}, id="the rest of a batch"),
        pytest.param([0], {1: 9}, id="another partition"),
        pytest.param([], {0: 9}, id="nothing"),
    ],
)
def test_batches_in_order_are_gone_through(sequences: list[int], last: dict[int, int]) -> None:
    follow([batch(each) for each in sequences], {key: batch(each) for key, each in last.items()})


@pytest.mark.parametrize(
    ("sequences", "last", "told"),
    [
        pytest.param([0], {0: 41}, r"offset 0: batch 0 \(.*\) follows batch 41 ", id="made anew"),
        pytest.param([43], {0: 41}, r"offset 0: batch 43 \(.*\) follows batch 41 ", id="one is missing"),
        pytest.param([42, 41], {0: 41}, r"offset 2: batch 41 \(.*\) follows batch 42 ", id="backwards"),
        pytest.param([3, 5], {}, r"offset 2: batch 5 \(.*\) follows batch 3 ", id="missing further on"),
    ],
)
def test_a_batch_that_is_not_the_next_is_a_gap(sequences: list[int], last: dict[int, int], told: str) -> None:
    with pytest.raises(GapError, match=told):
        follow([batch(each) for each in sequences], {key: batch(each) for key, each in last.items()})


@pytest.mark.parametrize(
    ("sequence", "frames", "orders"),
    [
        pytest.param(5, (14, 18), (0, 0), id="frames passed over"),
        pytest.param(5, (11, 18), (0, 0), id="frames taken before"),
        pytest.param(5, (15, 18), (1, 2), id="orders passed over"),
        pytest.param(4, (12, 14), (0, 0), id="the same number, cut otherwise"),
    ],
)
def test_a_batch_of_other_inputs_is_a_gap(sequence: int, frames: tuple[int, int], orders: tuple[int, int]) -> None:
    """A topic made anew may have the right number at the sink's place: a batch often takes two offsets."""
    with pytest.raises(
        GapError, match=rf"batch {sequence} \(frames {frames[0]} to .* follows batch 4 \(frames 12 to 15"
    ):
        follow([LedgerBatch(sequence, inputs(*frames, orders))], {0: batch(4)})


def test_batches_that_come_later_follow_those_before() -> None:
    journal = Journal({})
    journal.follow([posted(record(0, 0, batch(3)))])
    with pytest.raises(GapError, match="follows batch 3"):
        journal.follow([posted(record(0, 2, batch(5)))])


def test_a_topic_that_was_made_anew_and_has_grown_is_not_gone_on_with() -> None:
    """Its batches have the numbers of before at the places of before, and took other frames."""
    database = FakeDatabase(finished=2, positions={0: 4}, batches={0: batch(1)})
    store = FakeStore(database, faults=lambda: Fault.NONE, others=lambda: None)
    made = [LedgerBatch(sequence, inputs(2 * sequence, 2 * sequence + 2)) for sequence in range(5)]
    anew = FakeSource([record(0, 2 * each.sequence, each) for each in made], random.Random(1))
    blocks = Blocks(store, sink="clickhouse", claimed_by="a test", clock=lambda: 0.0)
    sink = Sink(blocks=blocks, source=anew, load_registry=Registry)
    sink.recover()
    with pytest.raises(
        GapError, match=r"partition 0, offset 4: batch 2 \(frames 4 to 6.* follows batch 1 \(frames 3 to 6"
    ):
        sink.step()
    assert (database.tables, database.claims, database.positions) == ({}, [], {0: 4})
