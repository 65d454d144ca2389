"""Postings go round unchanged, are cut in order, and damaged bytes are refused by the byte."""

from contextlib import suppress
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from streams import postings as module
from streams.core.outcome import (
    PIECE,
    READING,
    AccountClosed,
    AccountOpened,
    Alarm,
    Command,
    Entry,
    MeterInstalled,
    Notice,
    Outcome,
    Position,
    Refusal,
    Source,
    VersionTaken,
)
from streams.postings import (
    Inputs,
    Postings,
    PostingsError,
    Span,
    cut_postings,
    decode_postings,
    encode_postings,
)

int64 = st.integers(-(2**63), 2**63 - 1)
offsets = st.integers(0, 2**63 - 1)
numbers = st.integers(0, 2**31 - 1)
texts = st.text(max_size=12)
LIST_NAMES = (
    "entries",
    "commands",
    "notices",
    "alarms",
    "refusals",
    "closings",
    "accounts",
    "meters",
    "versions",
)


def rows(dtype: np.dtype[np.void]) -> st.SearchStrategy[NDArray[np.void]]:
    return arrays.arrays(dtype, st.integers(0, 5))


def items(made: type, /, **values: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(st.builds(made, **values), max_size=3).map(tuple)


positions = st.builds(Position, st.sampled_from(Source), offsets, numbers)
caused: dict[str, st.SearchStrategy[Any]] = {"position": positions, "at": int64}
prices = st.lists(st.lists(st.lists(int64, max_size=2).map(tuple), max_size=2).map(tuple), max_size=2).map(tuple)


def with_own_pieces(outcome: Outcome) -> Outcome:
    """With pieces of the outcome's own readings, in their order."""
    pieces = outcome.pieces[: 5 if len(outcome.readings) else 0]
    pieces["reading"] %= max(len(outcome.readings), 1)
    pieces.sort(order="reading", kind="stable")
    return replace(outcome, pieces=pieces)


outcomes = st.builds(
    Outcome,
    readings=rows(READING),
    pieces=rows(PIECE),
    entries=items(Entry, **caused, account=numbers, kind=texts, amount=int64, balance=int64, order_id=texts),
    commands=items(
        Command, **caused, meter=numbers, action=texts, reason=texts, repeat=st.booleans(), sequence=numbers
    ),
    notices=items(Notice, **caused, account=numbers, kind=texts),
    alarms=items(Alarm, **caused, meter=numbers, kind=texts),
    refusals=items(Refusal, **caused, reason=texts, subject=texts),
    closings=items(AccountClosed, **caused, account=numbers),
    accounts=items(AccountOpened, **caused, number=numbers, account=texts),
    meters=items(
        MeterInstalled,
        **caused,
        number=numbers,
        meter=texts,
        account=numbers,
        kind=texts,
        register=int64,
        ratio=numbers,
        replaces=st.none() | numbers,
    ),
    versions=items(
        VersionTaken,
        **caused,
        number=numbers,
        tariff=texts,
        starts_at=int64,
        unit=texts,
        cycle=texts,
        tiers=st.lists(int64, max_size=2).map(tuple),
        bands=st.lists(texts, max_size=2).map(tuple),
        components=st.lists(texts, max_size=2).map(tuple),
        prices=prices,
    ),
).map(with_own_pieces)
spans = st.builds(Span, offsets, offsets)
all_postings = st.builds(
    Postings,
    site=texts,
    partition=numbers,
    sequence=offsets,
    inputs=st.builds(Inputs, spans, spans),
    outcome=outcomes,
    part=numbers,
    parts=numbers,
)


def equal(left: Outcome, right: Outcome) -> bool:
    return (
        all(getattr(left, name) == getattr(right, name) for name in LIST_NAMES)
        and left.readings.tobytes() == right.readings.tobytes()
        and left.pieces.tobytes() == right.pieces.tobytes()
    )


def example(outcome: Outcome | None = None) -> Postings:
    return Postings("S1", 3, 7, Inputs(Span(10, 12), Span(0, 1)), outcome or Outcome())


def test_every_list_of_an_outcome_is_carried() -> None:
    assert {field.name for field in fields(Outcome)} == {"readings", "pieces", *LIST_NAMES}


def test_a_list_that_came_later_is_left_out_where_it_is_empty() -> None:
    """So a record without closings is the one that the release before wrote, and is read like it."""
    without = encode_postings(example())
    assert b"closings" not in without
    assert b"refusals" in without
    assert decode_postings(without).outcome.closings == ()


@given(all_postings)
def test_decoded_is_what_was_encoded(postings: Postings) -> None:
    decoded = decode_postings(encode_postings(postings))
    assert equal(decoded.outcome, postings.outcome)
    for name in ("site", "partition", "sequence", "inputs", "part", "parts"):
        assert getattr(decoded, name) == getattr(postings, name)


def test_decoded_rows_are_views_of_the_value() -> None:
    value = encode_postings(example(Outcome(readings=np.zeros(3, READING))))
    decoded = decode_postings(value)
    assert np.shares_memory(decoded.outcome.readings, np.frombuffer(value, np.uint8))
    assert not decoded.outcome.readings.flags.writeable


def test_rows_that_are_not_contiguous_are_written_in_their_order() -> None:
    readings = np.zeros(6, READING)
    readings["offset"] = np.arange(6)
    decoded = decode_postings(encode_postings(example(Outcome(readings=readings[::2]))))
    assert decoded.outcome.readings["offset"].tolist() == [0, 2, 4]


WHOLE = encode_postings(example(Outcome(readings=np.zeros(2, READING), pieces=np.zeros(1, PIECE))))


@pytest.mark.parametrize(
    ("value", "offset"),
    [
        pytest.param(b"", 0, id="nothing"),
        pytest.param(WHOLE[:6], 6, id="cut in the head"),
        pytest.param(b"XX" + WHOLE[2:], 0, id="magic"),
        pytest.param(WHOLE[:2] + b"\x02" + WHOLE[3:], 2, id="version"),
        pytest.param(WHOLE[:20], 20, id="cut in the header"),
        pytest.param(WHOLE[:7] + b"\xc1" + WHOLE[8:], 7, id="header that is no MessagePack"),
        pytest.param(WHOLE[:-1], len(WHOLE) - 1, id="cut in the rows"),
        pytest.param(WHOLE + b"\0", len(WHOLE), id="bytes after the rows"),
    ],
)
def test_damaged_bytes_are_refused_by_the_byte(value: bytes, offset: int) -> None:
    with pytest.raises(PostingsError) as refused:
        decode_postings(value)
    assert refused.value.offset == offset


def test_a_piece_of_no_reading_of_its_record_is_refused() -> None:
    """Read with the next record, it would be a part of that one's reading."""
    pieces = np.zeros(3, PIECE)
    pieces["reading"] = [0, 1, 2]
    value = encode_postings(example(Outcome(readings=np.zeros(2, READING), pieces=pieces)))
    with pytest.raises(PostingsError, match="a piece of reading 2") as refused:
        decode_postings(value)
    assert refused.value.offset == len(value) - PIECE.itemsize


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_a_changed_byte_never_raises_anything_else(index: int, change: int) -> None:
    value = bytearray(WHOLE)
    value[index] ^= change
    with suppress(PostingsError):
        decode_postings(bytes(value))


@settings(max_examples=60)
@given(st.data())
def test_parts_join_to_the_whole(data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as limits:
        limits.setattr(module, "PART_READINGS", data.draw(st.integers(1, 4)))
        limits.setattr(module, "FEW_ITEMS", data.draw(st.integers(0, 1)))
        limits.setattr(module, "LIST_BYTES", data.draw(st.integers(1, 200)))
        limits.setattr(module, "PART_BYTES", data.draw(st.integers(50, 400)))
        whole = data.draw(outcomes)
        parts = list(cut_postings(example(whole)))

    assert [(part.part, part.parts) for part in parts] == [(k, len(parts)) for k in range(len(parts))]
    for name in LIST_NAMES:
        assert sum((getattr(part.outcome, name) for part in parts), ()) == getattr(whole, name)
    assert b"".join(part.outcome.readings.tobytes() for part in parts) == whole.readings.tobytes()
    assert sum(len(part.outcome.pieces) for part in parts) == len(whole.pieces)
    first_row = 0
    seen = 0
    for part in parts:
        for piece in part.outcome.pieces:
            assert piece["reading"] < len(part.outcome.readings)
            original = whole.pieces[seen].copy()
            original["reading"] -= first_row
            assert piece.tobytes() == original.tobytes()
            seen += 1
        first_row += len(part.outcome.readings)


def test_registry_that_fills_parts_goes_before_the_readings() -> None:
    position = Position(Source.ORDERS, 0)
    accounts = tuple(AccountOpened(position, 0, n, "A" * 1_000) for n in range(1_500))
    parts = list(cut_postings(example(Outcome(readings=np.zeros(1, READING), accounts=accounts))))
    assert [len(part.outcome.readings) for part in parts] == [0, 1]
    assert parts[0].outcome.accounts + parts[1].outcome.accounts == accounts


def test_a_meter_comes_no_earlier_than_its_account() -> None:
    """Whoever has taken the first parts alone knows all that they name."""
    position = Position(Source.ORDERS, 0)
    accounts = tuple(AccountOpened(position, 0, n, "A" * 1_000) for n in range(3_000))
    meters = tuple(MeterInstalled(position, 0, n, "M" * 600, n, "water", 0, 1) for n in range(3_000))
    parts = [part.outcome for part in cut_postings(example(Outcome(accounts=accounts, meters=meters)))]
    assert sum((part.accounts for part in parts), ()) == accounts
    assert sum((part.meters for part in parts), ()) == meters
    known = 0
    for part in parts:
        known += len(part.accounts)
        assert all(meter.account < known for meter in part.meters)
    assert len([part for part in parts if part.meters]) > 1


def test_long_texts_make_no_record_larger_than_its_topic_takes() -> None:
    text = "\N{CJK UNIFIED IDEOGRAPH-20000}" * 1_000
    entry = Entry(Position(Source.ORDERS, 0), 0, 0, "share", 1, 1, text, text, text, text, text)
    notice = Notice(Position(Source.ORDERS, 0), 0, 0, "cut")
    whole = Outcome(entries=(entry,) * 300, notices=(notice,) * 40)
    assert len(encode_postings(example(whole))) > 5 * module.LIST_BYTES
    parts = list(cut_postings(example(whole)))
    assert [len(encode_postings(part)) for part in parts if len(encode_postings(part)) > 1.5 * module.LIST_BYTES] == []
    assert sum((part.outcome.entries for part in parts), ()) == whole.entries
    assert [len(part.outcome.notices) for part in parts] == [40, *[0] * (len(parts) - 1)]


def test_many_pieces_a_reading_cut_by_bytes() -> None:
    pieces = np.zeros(400_000, PIECE)
    pieces["reading"] = np.repeat(np.arange(4), 100_000)
    parts = list(cut_postings(example(Outcome(readings=np.zeros(4, READING), pieces=pieces))))
    assert [len(part.outcome.readings) for part in parts] == [1, 1, 1, 1]
    assert [len(encode_postings(part)) // 1_000_000 for part in parts] == [3, 3, 3, 3]
