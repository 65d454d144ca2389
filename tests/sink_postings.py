"""Postings for the sink's tests: a small ledger that never was, whose rows add up and are told apart."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sinks.clickhouse.sink import Record
from sinks.clickhouse.tables import TIME_COLUMNS
from streams.core.outcome import (
    NO_CELL,
    NO_VERSION,
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
from streams.postings import Inputs, Postings, Span, encode_postings


def ms(text: str) -> int:
    """Milliseconds of an ISO time, UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def readings(**columns: Any) -> NDArray[np.void]:
    """Readings from columns; what is left out is 0, the price "none"."""
    length = max(len(np.atleast_1d(column)) for column in columns.values())
    rows = np.zeros(length, READING)
    rows["version"], rows["band"], rows["tier"] = NO_VERSION, NO_CELL, NO_CELL
    for name, column in columns.items():
        rows[name] = column
    return rows


def pieces(*rows: tuple[int, int, int, int, int, int, int]) -> NDArray[np.void]:
    """Pieces as tuples (reading, version, band, tier, start, quantity, amount)."""
    return np.array(list(rows), PIECE)


def introduction(site: str, *, meters: int, at: int) -> Outcome:
    """The registry of a site: one account and one gateway for two meters, one tariff with two bands."""
    position = Position(Source.ORDERS, 0)
    return Outcome(
        accounts=tuple(AccountOpened(position, at, number, f"{site}-A{number}") for number in range((meters + 1) // 2)),
        meters=tuple(
            MeterInstalled(
                position,
                at,
                number,
                f"{site}-M{number}",
                number // 2,
                "water" if number % 2 else "electricity",
                1000 * number,
                1,
                gateway=f"{site}-G{number // 2}",
                address=str(number + 1),
                template="dtsy1352",
            )
            for number in range(meters)
        ),
        versions=(
            VersionTaken(
                position,
                at,
                0,
                f"{site}-T",
                at,
                "kWh",
                "month",
                (0, 200_000),
                ("peak", "valley"),
                ("supply",),
                (((1_200_000, 1_300_000), (350_000, 450_000)),),
            ),
        ),
    )


def batch(site: str, *, meters: int, at: int, frames: int, count: int, rng: np.random.Generator) -> Outcome:
    """Readings of some meters in one batch: most at one price, each seventh in two pieces; and one of each event."""
    line = np.arange(count)
    split = line % 7 == 6
    amounts = rng.integers(0, 10**12, count)
    rows = readings(
        offset=frames,
        line=line,
        source=Source.FRAMES,
        meter=line % meters,
        account=(line % meters) // 2,
        at=at,
        # Each batch reaches back over a month's end, so that its rows fall in two partitions of the tables.
        read_at=at - 3_600_000 * (line % 48),
        register=rng.integers(0, 10**9, count),
        consumption=rng.integers(0, 10**6, count),
        amount=amounts,
        balance=rng.integers(-(10**12), 10**12, count),
        version=np.where(split, NO_VERSION, 0),
        band=np.where(split, NO_CELL, line % 2),
        tier=np.where(split, NO_CELL, line // 2 % 2),
        supply=1,
    )
    halves = [
        (int(index), 0, band, 0, at - 1000 * band, 1, int(amounts[index]) // 2 + band * (int(amounts[index]) % 2))
        for index in np.flatnonzero(split)
        for band in (0, 1)
    ]
    position = Position(Source.FRAMES, frames, 0)
    amount = int(rng.integers(1, 10**12))
    return Outcome(
        readings=rows,
        pieces=pieces(*halves) if halves else np.empty(0, PIECE),
        entries=(
            Entry(position, at, 0, "recharge", amount, amount, f"{site}-R{frames}", channel="counter"),
            Entry(position, at, 0, "reversal", -1, amount - 1, f"{site}-V{frames}", of=f"{site}-R{frames}", reason="r"),
        ),
        commands=(Command(position, at, 0, "cut", "arrears", frames % 2 == 0, frames),),
        notices=(Notice(position, at, 0, "low1"),),
        alarms=(Alarm(position, at, 0, "backwards"),),
        refusals=(Refusal(position, at, "unknown", "X1"),),
        closings=(AccountClosed(position, at, 0),),
    )


def made_postings(*, partitions: int, batches: int, meters: int, count: int, seed: int) -> Iterator[Postings]:
    """A ledger's postings, partition by partition in turn; the first of each introduces its one site.

    Args:
        batches: Of each partition.
        count: Readings of each batch but the first.
    """
    rng = np.random.default_rng(seed)
    for sequence in range(batches):
        for partition in range(partitions):
            site = f"S{partition + 1}"
            at = ms("2026-02-01T01:00") + sequence * 300_000
            if sequence == 0:
                outcome = introduction(site, meters=meters, at=at)
            else:
                outcome = batch(site, meters=meters, at=at, frames=sequence, count=count, rng=rng)
            inputs = Inputs(Span(sequence, sequence + 1), Span(1 if sequence else 0, 1))
            yield Postings(site, partition, sequence, inputs, outcome)


def records(postings: Iterable[Postings]) -> list[Record]:
    """As records, two offsets apart as in a log where each is a transaction with its marker."""
    ends: dict[int, int] = {}
    made = []
    for each in postings:
        offset = ends.get(each.partition, 0)
        ends[each.partition] = offset + 2
        made.append(Record(each.partition, offset, encode_postings(each)))
    return made


@dataclass(frozen=True, slots=True)
class Totals:
    """What a topic's rows come to."""

    rows: Mapping[str, int]
    amount: int
    entries: int


def totals(postings: Iterable[Postings]) -> Totals:
    """Rows by table, the sum of the readings' amounts, the sum of the entries' amounts."""
    rows: dict[str, int] = {}
    amount = entries = 0
    for each in postings:
        outcome = each.outcome
        for table in TIME_COLUMNS:
            if table != "postings":
                name = "versions" if table == "tariff_versions" else table
                rows[table] = rows.get(table, 0) + len(getattr(outcome, name))
        rows["postings"] = rows.get("postings", 0) + 1
        amount += int(outcome.readings["amount"].sum())
        entries += sum(entry.amount for entry in outcome.entries)
    return Totals(rows, amount, entries)
