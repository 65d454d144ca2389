"""Many readings at once: compiled for as long as lines are common, by the plain rules for each that is not.

Lines are taken strictly in the order of the input, so the result is that of the plain rules alone
(`SiteLedger.take_readings_plainly`): rows, events and pages, byte for byte.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streams.core.books import Books
from streams.core.charging import charge_due_fees
from streams.core.kernel import state_of, take_common
from streams.core.line import Line
from streams.core.outcome import READING, Flag, Position, Source
from streams.core.posting import NO_PIECES, take_reading
from streams.core.told import Told

if TYPE_CHECKING:
    from streams.core.site import ReadingBatch


_IN_ROWS = ("meter", "register", "read_at", "at", "supply", "offset", "line")
"""What a row has of its reading as it came; a meter's own credit is not in it."""


_NOT_NEWER = int(Flag.LATE | Flag.DUPLICATE | Flag.CONFLICT)
"""Flags of what common lines are that say nothing new."""


def fold_readings(books: Books, batch: "ReadingBatch") -> NDArray[np.bool_]:
    """Take a batch, in its order; whether each reading was newer than what was known of its meter then."""
    rows = _laid_out(batch)
    newer = np.empty(len(rows), np.bool_)
    line = 0
    while line < len(rows):
        stopped, pieces, full = _take_common(books, rows, line)
        if stopped > line:
            books.advance_clock(int(rows["at"][stopped - 1]))
            books.journal.add_readings(rows[line:stopped], pieces)
            newer[line:stopped] = rows["flags"][line:stopped] & _NOT_NEWER == 0
        line = stopped
        if line < len(rows) and not full:
            newer[line] = fold_plainly(books, batch[line : line + 1])[0]
            line += 1
    return newer


def compile_ahead() -> None:
    """Make or load the machine code of the fold, so that no reading waits for it."""
    books = Books()
    _take_common(books, np.empty(0, READING), 0)


def fold_plainly(books: Books, batch: "ReadingBatch") -> NDArray[np.bool_]:
    """As `fold_readings`, line by line by the plain rules: what the compiled way is held against."""
    newer = []
    for meter, register, read_at, at, supply, offset, number, remaining, count, bands, *_ in batch.lines():
        line = Line(books, at=at, position=Position(Source.FRAMES, offset, number))
        charge_due_fees(line)
        told = Told(remaining, count, tuple(bands))
        newer.append(take_reading(line, meter, register=register, read_at=read_at, supply=supply, told=told))
        line.end()
    return np.array(newer, np.bool_)


def _laid_out(batch: "ReadingBatch") -> NDArray[np.void]:
    """Reading rows with what the batch says; an unknown meter's number is beyond all others."""
    rows = np.empty(len(batch), READING)
    for name in _IN_ROWS:
        rows[name] = getattr(batch, name)
    return rows


def _take_common(books: Books, rows: NDArray[np.void], line: int) -> tuple[int, NDArray[np.void], bool]:
    """Take common lines from one on; where it stopped, their pieces, and whether only room was missing."""
    stopped, count, full = take_common(
        rows,
        line,
        books.clock,
        min(books.supplies.ripe_at(books.clock), books.fees.next_due()),
        state_of(books.meters, books.accounts, books.tariffs.priced_until),
        books.tariffs.table,
        books.room,
    )
    return stopped, books.room[:count].copy() if count else NO_PIECES, full
