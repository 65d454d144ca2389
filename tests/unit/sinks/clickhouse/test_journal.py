"""The ledger's batches are gone through one after the other; where some are missing, nothing more is written."""

import random
from collections.abc import Sequence

import pytest

from sinks.clickhouse.blocks import Blocks
from sinks.clickhouse.journal import Journal
from sinks.clickhouse.registry import Registry
from sinks.clickhouse.sink import Record, Sink, posted
from sinks.errors import GapError
from streams.core.outcome import Outcome
from streams.postings import Inputs, Postings, Span, encode_postings
from tests.unit.sinks.clickhouse.fakes import FakeDatabase, FakeSource, FakeStore, Fault


def record(partition: int, offset: int, sequence: int) -> Record:
    inputs = Inputs(Span(sequence, sequence + 1), Span(0, 0))
    return Record(partition, offset, encode_postings(Postings("S1", partition, sequence, inputs, Outcome())))


def follow(sequences: Sequence[int], last: dict[int, int]) -> None:
    Journal(last).follow([posted(record(0, 2 * place, sequence)) for place, sequence in enumerate(sequences)])


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
    follow(sequences, last)


@pytest.mark.parametrize(
    ("sequences", "last", "told"),
    [
        pytest.param([0], {0: 41}, "offset 0: batch 0 follows batch 41", id="made anew"),
        pytest.param([43], {0: 41}, "offset 0: batch 43 follows batch 41", id="one is missing"),
        pytest.param([42, 41], {0: 41}, "offset 2: batch 41 follows batch 42", id="backwards"),
        pytest.param([3, 5], {}, "offset 2: batch 5 follows batch 3", id="missing further on"),
    ],
)
def test_a_batch_that_is_not_the_next_is_a_gap(sequences: list[int], last: dict[int, int], told: str) -> None:
    with pytest.raises(GapError, match=told):
        follow(sequences, last)


def test_batches_that_come_later_follow_those_before() -> None:
    journal = Journal({})
    journal.follow([posted(record(0, 0, 3))])
    with pytest.raises(GapError, match="batch 5 follows batch 3"):
        journal.follow([posted(record(0, 2, 5))])


def test_a_topic_that_was_made_anew_and_has_grown_is_not_gone_on_with() -> None:
    database = FakeDatabase(finished=9, positions={0: 4}, sequences={0: 41})
    store = FakeStore(database, faults=lambda: Fault.NONE, others=lambda: None)
    anew = FakeSource([record(0, 2 * sequence, sequence) for sequence in range(5)], random.Random(1))
    blocks = Blocks(store, sink="clickhouse", claimed_by="a test", clock=lambda: 0.0)
    sink = Sink(blocks=blocks, source=anew, load_registry=Registry)
    sink.recover()
    with pytest.raises(GapError, match="partition 0, offset 4: batch 2 follows batch 41"):
        sink.step()
    assert (database.tables, database.claims, database.positions) == ({}, [], {0: 4})
