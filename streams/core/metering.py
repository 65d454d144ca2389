"""The first step of the array path: what each reading of a batch means for its meter, and what it costs.

A reading is *plain* if its meter needs no care (not closed, nothing held, nothing unpriced), it is newer, its register
did not fall, the tariff that the meter has now held for the whole interval and is in force. Plain readings of
different meters are judged together. If the interval lies in one band, cycle and version and the consumption in one
tier, its amount is one multiplication; the others are cut at their boundaries together (`streams.core.segments`).
Everything else goes through `streams.core.consumption`, one by one.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streams.core.books import Books
from streams.core.consumption import AHEAD_MS, HOUR_MS, judge_reading
from streams.core.meter import METER, Meter
from streams.core.outcome import NO_CELL, NO_VERSION, PIECE
from streams.core.posting import piece_rows
from streams.core.segments import Intervals, cut_and_price

if TYPE_CHECKING:
    from streams.core.site import ReadingBatch

FEW = 12
"""Below this many readings in a wave, arrays cost more than the plain rules."""
CONSUMPTION_NARROW = 1 << 31
INTERVAL_NARROW_MS = 1 << 31
"""Consumption times time stays inside 64 bits below these; wider readings go through the plain rules."""
AMOUNT_NARROW = 1 << 44
"""An amount (nano-yuan; 17,592 yuan) from which the whole batch is taken one by one: sums might grow wide."""


class Metered:
    """What metering made of a batch, line by line; `undo` takes it back."""

    def __init__(self, size: int) -> None:
        self.refusal = np.zeros(size, np.bool_)
        self.newer = np.zeros(size, np.bool_)
        self.flags = np.zeros(size, np.uint16)
        self.consumption = np.zeros(size, np.int64)
        self.amount = np.zeros(size, np.int64)
        self.version = np.full(size, NO_VERSION, np.uint16)
        self.band = np.full(size, NO_CELL, np.uint8)
        self.tier = np.full(size, NO_CELL, np.uint8)
        self.refusals: list[tuple[int, str, int]] = []
        """(line, reason, meter), in the order of the lines once metering is done."""
        self.alarms: list[tuple[int, str, int]] = []
        self._pieces: list[NDArray[np.void]] = []
        self._before: list[tuple[NDArray[np.int64], NDArray[np.void]]] = []
        self._meters_before: list[Meter] = []
        self._priced_until: list[int] = []

    def pieces(self) -> NDArray[np.void]:
        """Rows of all readings that fell into several cells, by line and time; `reading` is the line."""
        if not self._pieces:
            return np.empty(0, PIECE)
        rows = np.concatenate(self._pieces)
        return rows[np.argsort(rows["reading"], kind="stable")]

    def refuse(self, line: int, reason: str, meter: int) -> None:
        """Note that a line was refused."""
        self.refusal[line] = True
        self.refusals.append((line, reason, meter))

    def add_pieces(self, pieces: NDArray[np.void]) -> None:
        """Add rows whose `reading` is the line; a line's pieces come in one call, in the order of time."""
        if pieces.size:
            self._pieces.append(pieces)

    def begin(self, books: Books) -> None:
        """Remember what `undo` needs of the tariffs."""
        self._priced_until = [tariff.priced_until for tariff in books.tariffs]

    def keep_rows(self, meters: NDArray[np.int64], rows: NDArray[np.void]) -> None:
        """Remember meters' rows as they were before a wave."""
        self._before.append((meters, rows))

    def keep_meter(self, meter: Meter) -> None:
        """Remember a meter as it was before a plain judgement."""
        self._meters_before.append(meter)
        self._before.append((np.array([meter.number]), np.empty(0, METER)))

    def undo(self, books: Books) -> None:
        """Put meters and tariffs back as they were."""
        for meters, rows in reversed(self._before):
            if rows.size:
                books.meters.hot.rows[meters] = rows
            else:
                books.meters.store(self._meters_before.pop())
        for tariff, until in zip(books.tariffs, self._priced_until, strict=True):
            tariff.priced_until = until


def meter_readings(books: Books, batch: "ReadingBatch", at: NDArray[np.int64]) -> Metered | None:
    """Judge and price a batch; None, with nothing changed, where an amount is too wide for the array path."""
    metered = Metered(len(batch))
    metered.begin(books)
    for line in np.flatnonzero(batch.meter < 0).tolist():
        metered.refuse(line, "unknown", -1)
    for lines in _waves(batch.meter, len(books.meters.hot)):
        rest = lines if len(lines) < FEW else _meter_together(books, batch, at, lines, metered)
        narrow = rest is not None
        for line in rest.tolist() if rest is not None else ():
            narrow = narrow and _meter_plainly(books, batch, at, line, metered)
        if not narrow:
            metered.undo(books)
            return None
    metered.refusals.sort(key=lambda refusal: refusal[0])
    metered.alarms.sort(key=lambda alarm: alarm[0])
    return metered


def _waves(meter: NDArray[np.int32], meters: int) -> list[NDArray[np.int64]]:
    """The lines of known meters, cut so that no wave has a meter twice and each meter's lines keep their order."""
    lines = np.flatnonzero(meter >= 0)
    if not lines.size:
        return []
    numbers = meter[lines]
    place = np.empty(meters, np.int64)
    place[numbers] = lines
    if (place[numbers] == lines).all():
        return [lines]
    order = np.argsort(numbers, kind="stable")
    grouped = numbers[order]
    first = np.flatnonzero(np.diff(grouped, prepend=-1))
    turn = np.arange(len(order)) - np.repeat(first, np.diff(np.append(first, len(order))))
    by_turn = np.argsort(turn, kind="stable")
    bounds = np.flatnonzero(np.diff(turn[by_turn])) + 1
    return [np.sort(lines[order[wave]]) for wave in np.split(by_turn, bounds)]


def _meter_plainly(books: Books, batch: "ReadingBatch", at: NDArray[np.int64], line: int, metered: Metered) -> bool:
    """One line by the plain rules; False where its amount is too wide."""
    number = int(batch.meter[line])
    meter = books.meters.load(number)
    judgement = judge_reading(
        meter,
        books.tariffs,
        register=int(batch.register[line]),
        read_at=int(batch.read_at[line]),
        at=int(at[line]),
    )
    if judgement.refusal:
        metered.refuse(line, judgement.refusal, number)
        return True
    amount = judgement.amount
    if amount >= AMOUNT_NARROW or judgement.consumption >= 1 << 62:
        return False
    metered.keep_meter(books.meters.load(number))
    books.meters.store(meter)
    metered.newer[line] = judgement.newer
    metered.flags[line] = judgement.flags
    metered.consumption[line] = judgement.consumption
    metered.amount[line] = amount
    metered.alarms += [(line, kind, number) for kind in judgement.alarms]
    if judgement.cell is not None:
        cell = judgement.cell
        metered.version[line], metered.band[line], metered.tier[line] = (
            cell.version,
            cell.band,
            cell.tier,
        )
    else:
        metered.add_pieces(piece_rows(judgement.pieces, reading=line))
    return True


def _meter_together(
    books: Books,
    batch: "ReadingBatch",
    at: NDArray[np.int64],
    lines: NDArray[np.int64],
    metered: Metered,
) -> NDArray[np.int64] | None:
    """Judge the plain readings among lines of different meters; the lines left over, None if an amount is too wide."""
    table, setup = books.table, books.meters.setup.rows
    whole = len(lines) == len(batch)
    meter = (batch.meter if whole else batch.meter[lines]).astype(np.int64)
    register = batch.register if whole else batch.register[lines]
    read_at = batch.read_at if whole else batch.read_at[lines]
    arrived = at if whole else at[lines]
    rows = books.meters.hot.rows[meter]
    wall = setup[meter]
    start = rows["read_at"]
    tariff = wall["tariff"].astype(np.int64)
    difference = register - rows["register"]
    consumption = difference * wall["ratio"]
    version = table.rows_at(tariff, start)
    plain = (
        (wall["care"] == 0)
        & (difference >= 0)
        & (consumption < CONSUMPTION_NARROW)
        & (register < wall["wrap"])
        & (read_at > start)
        & (read_at - start < INTERVAL_NARROW_MS)
        & (read_at <= arrived + AHEAD_MS)
        & (start >= wall["tariff_since"])
        & ~table.wide[version]
    )
    if books.meters.limited:
        rate, interval = wall["max_rate"], read_at - start
        # Rates of 2 GW and more would not fit the product; those go through the plain rules.
        plain &= (rate == 0) | ((rate < CONSUMPTION_NARROW) & (consumption * HOUR_MS <= rate * interval))
    rest: NDArray[np.int64] = lines[~plain]
    if rest.size:
        some = np.flatnonzero(plain)
        if not some.size:
            return rest
        lines, meter, rows = lines[some], meter[some], rows[some]
        start, read_at, register = start[some], read_at[some], register[some]
        consumption, version, tariff = consumption[some], version[some], tariff[some]
    # Scattered reads of a field of `rows` above; from here on everything is a column of its own.
    intervals = Intervals.of(rows, start=start, end=read_at, consumption=consumption, version=version)
    band, band_end = table.band_and_end(version, start)
    position = intervals.position(table)
    tier, limit = table.tier_and_limit(version, position)
    simple = (read_at <= band_end) & (read_at <= intervals.cycle_end(table))
    simple &= (read_at <= table.ends_at[version]) & (position + consumption <= limit)
    simple |= consumption == 0
    amount = consumption * table.price[version, band, tier]
    if simple.all():
        intervals.count(consumption)
        metered.version[lines] = table.number[version]
        metered.band[lines] = band
        metered.tier[lines] = tier
    else:
        metered.version[lines] = np.where(simple, table.number[version], NO_VERSION)
        metered.band[lines] = np.where(simple, band, NO_CELL)
        metered.tier[lines] = np.where(simple, tier, NO_CELL)
        intervals.count(np.where(simple, consumption, 0))
        hard = np.flatnonzero(~simple)
        pieces = cut_and_price(table, intervals, hard)
        amount[hard] = pieces.amount
        metered.version[lines[hard]] = pieces.version
        metered.band[lines[hard]] = pieces.band
        metered.tier[lines[hard]] = pieces.tier
        metered.add_pieces(pieces.rows(lines[hard]))
    if amount.size and int(amount.max()) >= AMOUNT_NARROW:
        return None
    metered.keep_rows(meter, rows.copy())
    rows["register"], rows["read_at"] = register, read_at
    intervals.write(rows)
    books.meters.hot.rows[meter] = rows
    books.meters.hot.touch_many(meter)
    for number in np.unique(tariff).tolist():
        latest = int(read_at[tariff == number].max())
        books.tariffs[number].priced_until = max(books.tariffs[number].priced_until, latest)
    metered.newer[lines] = True
    metered.consumption[lines] = consumption
    metered.amount[lines] = amount
    return rest
