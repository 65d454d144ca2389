"""The first step of the array path: what each reading of a batch means for its meter, and what it costs.

Three ways, each for what the one before leaves over:

1. *In its cell*: the reading is newer, inside the meter's known cell (`streams.core.panel`) and its register did not
   fall. One multiplication; this is nearly all of them.
2. *Plain*: the meter needs no care (not closed, nothing held, nothing unpriced) and its tariff has held for the whole
   interval. All such intervals are cut at their boundaries and priced together (`streams.core.segments`); each meter's
   next cell is found.
3. *By the plain rules*, one by one (`streams.core.consumption`): everything else.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from streams.core.books import Books
from streams.core.consumption import AHEAD_MS, HOUR_MS, judge_reading
from streams.core.meter import SETUP, Snapshot
from streams.core.outcome import NO_CELL, NO_VERSION, PIECE
from streams.core.posting import piece_rows
from streams.core.segments import Intervals, cut_and_price

if TYPE_CHECKING:
    from streams.core.site import ReadingBatch

FEW = 8
"""Below this many readings, arrays cost more than the plain rules."""
CONSUMPTION_NARROW = 1 << 31
INTERVAL_NARROW_MS = 1 << 31
"""Consumption times time stays inside 64 bits below these; wider readings go through the plain rules."""
AMOUNT_NARROW = 1 << 44
"""An amount (nano-yuan; 17,592 yuan) from which the whole batch is taken one by one: sums might grow wide."""

Numbers = NDArray[np.int64]
MeterNumbers = NDArray[np.integer[Any]]


class Metered:
    """What metering made of a batch, line by line; `undo` takes it back."""

    def __init__(self, books: Books, batch: "ReadingBatch", at: Numbers) -> None:
        self.rows: NDArray[np.void] = books.meters.panel.rows[batch.meter]
        """Reading rows of all lines; those of refused ones mean nothing. `balance` is filled in by posting."""
        for name in ("offset", "line", "read_at", "register", "supply"):
            self.rows[name] = getattr(batch, name)
        self.rows["at"] = at
        self.refused: NDArray[np.bool_] | None = None
        """Which lines were refused; None if none."""
        self.older: NDArray[np.bool_] | None = None
        """Which lines say nothing about supply, being no newer than what was known; None if none."""
        self.refusals: list[tuple[int, str, int]] = []
        """(line, reason, meter), in the order of the lines once metering is done."""
        self.alarms: list[tuple[int, str, int]] = []
        self._books = books
        self._pieces: list[NDArray[np.void]] = []
        self._undo: list[tuple[MeterNumbers, NDArray[np.void], NDArray[np.void]] | Snapshot] = []
        self._priced_until = books.tariffs.priced_until.copy()

    def pieces(self) -> NDArray[np.void]:
        """Rows of all readings that fell into several cells, by line and time; `reading` is the line."""
        if not self._pieces:
            return np.empty(0, PIECE)
        rows = np.concatenate(self._pieces)
        return rows[np.argsort(rows["reading"], kind="stable")]

    def refuse(self, line: int, reason: str, meter: int) -> None:
        """Note that a line was refused."""
        if self.refused is None:
            self.refused = np.zeros(len(self.rows), np.bool_)
        self.refused[line] = True
        self.refusals.append((line, reason, meter))

    def note_older(self, line: int) -> None:
        """Note that a line says nothing about supply."""
        if self.older is None:
            self.older = np.zeros(len(self.rows), np.bool_)
        self.older[line] = True

    def add_pieces(self, pieces: NDArray[np.void]) -> None:
        """Add rows whose `reading` is the line; a line's pieces come in one call, in the order of time."""
        if pieces.size:
            self._pieces.append(pieces)

    def keep(self, meters: MeterNumbers, hot: NDArray[np.void], setup: NDArray[np.void]) -> None:
        """Remember meters' rows as they were before a wave; `setup` is empty where the wave leaves it alone."""
        self._undo.append((meters, hot, setup))

    def keep_meter(self, kept: Snapshot) -> None:
        """Remember a meter as it was before a plain judgement."""
        self._undo.append(kept)

    def undo(self) -> None:
        """Put meters and tariffs back as they were."""
        meters = self._books.meters
        for kept in reversed(self._undo):
            if isinstance(kept, Snapshot):
                meters.restore(kept)
                continue
            numbers, hot, setup = kept
            meters.hot.rows[numbers] = hot
            if setup.size:
                meters.setup.rows[numbers] = setup
            meters.panel.leave_cells(numbers)
        self._books.tariffs.priced_until[:] = self._priced_until


def meter_readings(books: Books, batch: "ReadingBatch", at: Numbers) -> Metered | None:
    """Judge and price a batch; None, with nothing changed, where an amount is too wide for the array path."""
    metered = Metered(books, batch, at)
    for lines in _waves(books, batch, metered):
        if not _take_wave(books, batch, at, lines, metered):
            metered.undo()
            return None
    metered.refusals.sort(key=lambda refusal: refusal[0])
    metered.alarms.sort(key=lambda alarm: alarm[0])
    return metered


def _waves(books: Books, batch: "ReadingBatch", metered: Metered) -> list[Numbers | None]:
    """The lines of known meters, cut so that no wave has a meter twice; each meter's lines keep their order.

    None stands for all lines of the batch.
    """
    meter = batch.meter
    known = None
    if int(meter.min()) < 0:
        for line in np.flatnonzero(meter < 0).tolist():
            metered.refuse(line, "unknown", -1)
        known = np.flatnonzero(meter >= 0)
        meter = meter[known]
    if books.meters.panel.distinct(meter):
        return [known] if known is None or known.size else []
    order = np.argsort(meter, kind="stable")
    grouped = meter[order]
    first = np.flatnonzero(np.diff(grouped, prepend=-1))
    turn = np.arange(len(order)) - np.repeat(first, np.diff(np.append(first, len(order))))
    by_turn = np.argsort(turn, kind="stable")
    bounds = np.flatnonzero(np.diff(turn[by_turn])) + 1
    lines = order if known is None else known[order]
    return [np.sort(lines[wave]) for wave in np.split(by_turn, bounds)]


def _take_wave(books: Books, batch: "ReadingBatch", at: Numbers, lines: Numbers | None, metered: Metered) -> bool:
    """Meter lines of different meters, each by the shortest way it can go; False if an amount is too wide."""
    rest: Numbers = lines if lines is not None else _EVERY
    if lines is None or len(lines) >= FEW:
        rest = _meter_in_cells(books, batch, at, lines, metered)
    if len(rest) >= FEW:
        left = _meter_together(books, batch, at, rest, metered)
        if left is None:
            return False
        rest = left
    return all(_meter_plainly(books, batch, at, line, metered) for line in rest.tolist())


_EVERY = np.empty(0, np.int64)


def _meter_in_cells(
    books: Books, batch: "ReadingBatch", at: Numbers, lines: Numbers | None, metered: Metered
) -> Numbers:
    """Meter the lines that lie in their meters' cells; the lines left over."""
    panel, hot = books.meters.panel, books.meters.hot
    whole = lines is None
    meter = batch.meter if lines is None else batch.meter[lines]
    register = batch.register if lines is None else batch.register[lines]
    read_at = batch.read_at if lines is None else batch.read_at[lines]
    arrived = at if lines is None else at[lines]
    rows = hot.rows[meter]
    used = register - rows["register"]
    inside = (used >= 0) & (register <= panel.top[meter])
    inside &= (read_at > rows["read_at"]) & (read_at <= panel.end[meter])
    inside &= read_at <= arrived + AHEAD_MS
    rest = _EVERY
    if not inside.all():
        own = np.flatnonzero(inside)
        rest = np.flatnonzero(~inside) if lines is None else lines[~inside]
        if not own.size:
            return rest
        lines = own if lines is None else lines[own]
        whole = False
        meter, register, read_at, rows, used = meter[own], register[own], read_at[own], rows[own], used[own]
    used *= panel.ratio[meter]
    amount = used * panel.price[meter]
    metered.keep(meter, rows.copy(), _NO_SETUP)
    rows["register"], rows["read_at"] = register, read_at
    rows["priced"] += used
    hot.rows[meter] = rows
    hot.touch_many(meter)
    np.maximum.at(books.tariffs.priced_until, panel.tariff[meter], read_at)
    if whole:
        metered.rows["consumption"], metered.rows["amount"] = used, amount
    else:
        # A meter read twice in the batch may have come into another cell since its row was laid out.
        for name in ("version", "band", "tier"):
            metered.rows[name][lines] = panel.rows[name][meter]
        metered.rows["consumption"][lines], metered.rows["amount"][lines] = used, amount
    return rest


def _meter_together(
    books: Books, batch: "ReadingBatch", at: Numbers, lines: Numbers, metered: Metered
) -> Numbers | None:
    """Meter the plain readings among lines of different meters; those left over, None if an amount is too wide."""
    table, meters = books.tariffs.table, books.meters
    meter, register, read_at = batch.meter[lines].astype(np.int64), batch.register[lines], batch.read_at[lines]
    hot, setup = meters.hot.rows[meter], meters.setup.rows[meter]
    start = hot["read_at"]
    difference = register - hot["register"]
    consumption = difference * setup["ratio"]
    version = table.rows_at(setup["tariff"].astype(np.int64), start)
    plain = (setup["care"] == 0) & (difference >= 0) & (consumption < CONSUMPTION_NARROW)
    plain &= (register < setup["wrap"]) & (read_at > start) & (read_at - start < INTERVAL_NARROW_MS)
    plain &= (read_at <= at[lines] + AHEAD_MS) & (start >= setup["tariff_since"]) & ~table.wide[version]
    if meters.limited:
        rate, interval = setup["max_rate"], read_at - start
        # Rates of 2 GW and more would not fit the product; those go through the plain rules.
        plausible = (rate < CONSUMPTION_NARROW) & (consumption * HOUR_MS <= rate * interval)
        plain &= (rate == 0) | plausible
    own = np.flatnonzero(plain)
    rest: Numbers = lines[~plain]
    if not own.size:
        return rest
    lines, meter, hot, setup = lines[own], meter[own], hot[own], setup[own]
    register, read_at, consumption = register[own], read_at[own], consumption[own]
    intervals = Intervals.of(hot, setup, end=read_at, consumption=consumption, version=version[own])
    prices = cut_and_price(table, intervals)
    if int(prices.amount.max()) >= AMOUNT_NARROW:
        return None
    metered.keep(meter, hot.copy(), setup.copy())
    hot["register"], hot["read_at"], hot["priced"] = register, read_at, intervals.priced
    meters.hot.rows[meter] = hot
    meters.hot.touch_many(meter)
    _begin_months(books, meter, setup, intervals)
    np.maximum.at(books.tariffs.priced_until, setup["tariff"], read_at)
    _find_cells(books, meter, hot, setup)
    for name, column in (
        ("consumption", consumption),
        ("amount", prices.amount),
        ("version", prices.version),
        ("band", prices.band),
        ("tier", prices.tier),
    ):
        metered.rows[name][lines] = column
    metered.add_pieces(prices.rows(lines))
    return rest


def _begin_months(books: Books, meter: Numbers, setup: NDArray[np.void], intervals: Intervals) -> None:
    """Write down where the months and years of the latest segments began, for meters that came into a new one."""
    turned = np.flatnonzero(setup["month"] != intervals.month)
    if turned.size:
        rows = setup[turned]
        for name in ("month", "month_base", "year_base"):
            rows[name] = getattr(intervals, name)[turned]
            setup[name][turned] = rows[name]
        books.meters.setup.rows[meter[turned]] = rows
        books.meters.setup.touch_many(meter[turned])


def _find_cells(books: Books, meter: Numbers, hot: NDArray[np.void], setup: NDArray[np.void]) -> None:
    """Find the cell in which each meter's next interval begins, where that can be told.

    Not told are meters with a greatest plausible rate, and those that priced nothing yet in the month or year that the
    next interval begins in: their positions in the tiers begin anew with their next consumption.
    """
    table, panel = books.tariffs.table, books.meters.panel
    start = hot["read_at"]
    version = table.rows_at(setup["tariff"].astype(np.int64), start)
    at = Intervals.of(hot, setup, end=start, consumption=start, version=version)
    band, band_end = table.band_and_end(version, start)
    position = at.position(table)
    tier, limit = table.tier_and_limit(version, position)
    price = table.price[version, band, tier]
    # One short of the tier's end: at its end the next unit lies in the next tier.
    room = np.minimum(limit - position, CONSUMPTION_NARROW) - 1
    room = np.minimum(room, (AMOUNT_NARROW - 1) // np.maximum(price, 1))
    end = np.minimum(np.minimum(band_end, at.month_end()), table.ends_at[version])
    known = (setup["max_rate"] == 0) & (at.month == at.start_month)
    panel.end[meter] = np.where(known, np.minimum(end, start + INTERVAL_NARROW_MS), start)
    panel.top[meter] = np.minimum(hot["register"] + room // setup["ratio"], setup["wrap"] - 1)
    panel.price[meter] = price
    rows = panel.rows[meter]
    rows["version"], rows["band"], rows["tier"] = table.number[version], band, tier
    panel.rows[meter] = rows


def _meter_plainly(books: Books, batch: "ReadingBatch", at: Numbers, line: int, metered: Metered) -> bool:
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
    metered.keep_meter(books.meters.snapshot(number))
    books.meters.store(meter)
    if not judgement.newer:
        metered.note_older(line)
    metered.alarms += [(line, kind, number) for kind in judgement.alarms]
    row, cell = metered.rows[line], judgement.cell
    row["flags"], row["consumption"], row["amount"] = judgement.flags, judgement.consumption, amount
    row["version"], row["band"], row["tier"] = (NO_VERSION, NO_CELL, NO_CELL) if cell is None else cell[:3]
    if cell is None:
        metered.add_pieces(piece_rows(judgement.pieces, reading=line))
    return True


_NO_SETUP = np.empty(0, SETUP)
