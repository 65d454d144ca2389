"""Alarms for conditions that meters show, beside the fold: readings that tell nothing new cost no Python."""

from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from streams.core.books import Books
from streams.core.conditions import EVENTS
from streams.core.consumption import AHEAD_MS
from streams.core.meter import Care
from streams.core.outcome import Alarm, Position, Source
from streams.core.told import UNTOLD

if TYPE_CHECKING:
    from streams.core.site import ReadingBatch


class Before(NamedTuple):
    """What there was before a batch: the site's time, and how many alarms were in the journal."""

    clock: int
    alarms: int

    @classmethod
    def of(cls, books: Books) -> Self:
        return cls(books.clock, len(books.journal.alarms))


def watch(books: Books, batch: "ReadingBatch", before: Before, newer: NDArray[np.bool_]) -> None:
    """Take in what readings tell of their meters' conditions: an alarm for each that has risen.

    It counts also where the reading itself was refused, but not of an unknown or closed meter, nor of the future, nor
    one that is not newer than the accepted one. Alarms of the batch come out in the order of its lines.

    Args:
        newer: Whether each reading was newer than what was known of its meter then.
    """
    if batch.conditions is None and batch.events is None:
        return
    there = np.full(len(batch), UNTOLD) if batch.conditions is None else batch.conditions
    events = np.full((len(batch), len(EVENTS)), UNTOLD) if batch.events is None else batch.events
    at = np.maximum(np.maximum.accumulate(batch.at), before.clock)
    heeded = np.flatnonzero(newer & (batch.meter >= 0) & (batch.read_at <= at + AHEAD_MS))
    found = []
    for row in _new(books, batch, there, events, heeded).tolist():
        position = Position(Source.FRAMES, int(batch.offset[row]), int(batch.line[row]))
        meter, read_at = int(batch.meter[row]), int(batch.read_at[row])
        risen = books.conditions.take(meter, there=int(there[row]), events=events[row].tolist(), read_at=read_at)
        found += [Alarm(position, int(at[row]), meter, condition.value) for condition in risen]
    if found:
        journal = books.journal
        journal.alarms[before.alarms :] = sorted([*journal.alarms[before.alarms :], *found], key=_place)


def _new(
    books: Books,
    batch: "ReadingBatch",
    there: NDArray[np.int64],
    events: NDArray[np.int64],
    rows: NDArray[np.intp],
) -> NDArray[np.intp]:
    """Of some rows those that may tell something new: all of a meter that tells in any of them what it did not."""
    books.conditions.reach(len(books.meters.infos))
    meter = batch.meter[rows]
    is_open = books.meters.setup.rows["care"][meter] & Care.CLOSED == 0
    rows, meter = rows[is_open], meter[is_open]
    differs = (there[rows] != UNTOLD) & (there[rows] != books.conditions.there[meter])
    differs |= ((events[rows] != UNTOLD) & (events[rows] != books.conditions.events[meter])).any(axis=1)
    return np.asarray(rows[np.isin(meter, meter[differs])])


def _place(alarm: Alarm) -> tuple[int, int]:
    return alarm.position.offset, alarm.position.line
