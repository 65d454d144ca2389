"""Intervals cut at their boundaries and priced, many together: the array form of `consumption.price_part`.

All intervals advance by one segment a turn, from boundary to boundary, until the last has reached its end; half-hourly
readings take one or two turns.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from streams.core.localtime import FAR_AHEAD_MS, month_start, month_starts, months_of
from streams.core.outcome import NO_CELL, NO_VERSION, PIECE
from streams.core.tariff import VersionTable

Whole = NDArray[np.int64]
_YEAR = 12


@dataclass(slots=True)
class Intervals:
    """Consumption over intervals of different meters, and their seats' positions in the tiers, as columns."""

    start: Whole
    end: Whole
    consumption: Whole
    version: Whole
    """Row of the version table in force at the start; never 0."""
    month: Whole
    """Of the latest priced segment; the month and year that `month_used` and `year_used` count."""
    month_used: Whole
    year_used: Whole
    total_used: Whole
    start_month: Whole

    @classmethod
    def of(cls, rows: NDArray[np.void], *, start: Whole, end: Whole, consumption: Whole, version: Whole) -> Self:
        """The intervals of meters with these rows."""
        return cls(
            start=start,
            end=end,
            consumption=consumption,
            version=version,
            month=rows["month"].astype(np.int64),
            month_used=rows["month_used"].copy(),
            year_used=rows["year_used"].copy(),
            total_used=rows["total_used"].copy(),
            start_month=months_of(start),
        )

    def position(self, table: VersionTable) -> Whole:
        """What was priced so far in the cycle of the version in force, at each start."""
        in_month = np.where(self.month == self.start_month, self.month_used, 0)
        if table.monthly:
            return in_month
        in_year = np.where(self.month // _YEAR == self.start_month // _YEAR, self.year_used, 0)
        return np.choose(table.cycle[self.version], (in_month, in_year, self.total_used))

    def cycle_end(self, table: VersionTable) -> Whole:
        """When the cycle of the version in force ends, from each start."""
        first = int(self.start_month[0]) if self.start_month.size else 0
        if (self.start_month == first).all():
            month_end: Whole = np.full(self.start_month.shape, month_start(first + 1), np.int64)
        else:
            month_end = month_starts(self.start_month + 1)
        if table.monthly:
            return month_end
        year_end = month_starts((self.start_month // _YEAR + 1) * _YEAR)
        never = np.full(month_end.shape, FAR_AHEAD_MS, np.int64)
        return np.choose(table.cycle[self.version], (month_end, year_end, never))

    def count(self, quantity: Whole) -> None:
        """Count what was priced in segments that begin at the starts; nothing changes where it is 0."""
        priced = quantity > 0
        in_month = np.where(self.month == self.start_month, self.month_used, 0) + quantity
        in_year = np.where(self.month // _YEAR == self.start_month // _YEAR, self.year_used, 0) + quantity
        self.month_used = np.where(priced, in_month, self.month_used)
        self.year_used = np.where(priced, in_year, self.year_used)
        self.month = np.where(priced, self.start_month, self.month)
        self.total_used = self.total_used + quantity

    def take(self, index: NDArray[np.int64]) -> "Intervals":
        """Some of them, as columns of their own."""
        return Intervals(*(getattr(self, name)[index] for name in self.__slots__))

    def put(self, index: NDArray[np.int64], positions: "Intervals") -> None:
        """Take the positions of some of them over."""
        for name in ("month", "month_used", "year_used", "total_used"):
            getattr(self, name)[index] = getattr(positions, name)

    def write(self, rows: NDArray[np.void]) -> None:
        """Put the positions into the meters' rows."""
        for name in ("month", "month_used", "year_used", "total_used"):
            rows[name] = getattr(self, name)


@dataclass(frozen=True, slots=True)
class CutPrices:
    """What cutting made of some intervals: their amounts, the cell of those that lie in one after all, and pieces."""

    amount: Whole
    version: Whole
    band: Whole
    tier: Whole
    pieces: NDArray[np.void]
    """`reading` is the interval's place among those cut."""

    def rows(self, lines: NDArray[np.int64]) -> NDArray[np.void]:
        """The pieces with the line of each interval as their reading."""
        self.pieces["reading"] = lines[self.pieces["reading"]]
        return self.pieces


def cut_and_price(table: VersionTable, intervals: Intervals, index: NDArray[np.int64]) -> CutPrices:
    """Cut the intervals at `index`, each with a consumption above 0, and price every segment by its position.

    Changes the positions of `intervals`.
    """
    walk = intervals.take(index)
    whole_start, whole_end, consumption = walk.start.copy(), walk.end, walk.consumption
    done = np.zeros(len(index), np.int64)
    live = np.arange(len(index))
    emitted: list[NDArray[np.void]] = []
    while live.size:
        now = walk.take(live)
        now.start_month = months_of(now.start)
        band, band_end = table.band_and_end(now.version, now.start)
        version_end = table.ends_at[now.version]
        end = np.minimum(np.minimum(band_end, now.cycle_end(table)), np.minimum(version_end, now.end))
        # Floors of the whole interval's consumption, so that neighbours add up; the last boundary gets all of it.
        span = whole_end[live] - whole_start[live]
        upto = np.where(end >= now.end, consumption[live], consumption[live] * (end - whole_start[live]) // span)
        quantity = upto - done[live]
        emitted += _price(table, now, live, band, quantity)
        now.count(quantity)
        walk.put(live, now)
        done[live] = upto
        walk.start[live] = end
        walk.version[live] = now.version + (end == version_end)
        live = live[end < now.end]
    intervals.put(index, walk)
    return _gathered(emitted, len(index))


def _price(
    table: VersionTable, now: Intervals, places: NDArray[np.int64], band: Whole, quantity: Whole
) -> list[NDArray[np.void]]:
    """The pieces of one segment of each interval, tier by tier."""
    position = now.position(table)
    end = position + quantity
    pieces = []
    for tier in range(table.lower.shape[1]):
        lower, upper = table.lower[now.version, tier], table.upper[now.version, tier]
        inside = np.minimum(end, upper) - np.maximum(position, lower)
        hit = np.flatnonzero(inside > 0)
        if hit.size:
            rows = np.empty(len(hit), PIECE)
            rows["reading"], rows["tier"], rows["band"] = places[hit], tier, band[hit]
            rows["version"] = table.number[now.version[hit]]
            rows["start"], rows["quantity"] = now.start[hit], inside[hit]
            rows["amount"] = inside[hit] * table.price[now.version[hit], band[hit], tier]
            pieces.append(rows)
    return pieces


def _gathered(emitted: list[NDArray[np.void]], count: int) -> CutPrices:
    """Pieces by interval and time; neighbours of one cell joined, those of a single piece made a cell."""
    rows = np.concatenate(emitted)
    rows = rows[np.argsort(rows["reading"], kind="stable")]
    same = np.ones(len(rows) - 1, np.bool_)
    for name in ("reading", "version", "band", "tier"):
        same &= rows[name][1:] == rows[name][:-1]
    first = np.flatnonzero(np.append(True, ~same))
    joined = rows[first]
    for name in ("quantity", "amount"):
        joined[name] = np.add.reduceat(rows[name], first)
    amount = np.zeros(count, np.int64)
    np.add.at(amount, joined["reading"], joined["amount"])
    alone = np.bincount(joined["reading"], minlength=count)[joined["reading"]] == 1
    version, band, tier = (np.full(count, none, np.int64) for none in (NO_VERSION, NO_CELL, NO_CELL))
    single = joined[alone]
    for column, name in ((version, "version"), (band, "band"), (tier, "tier")):
        column[single["reading"]] = single[name]
    return CutPrices(amount, version, band, tier, joined[~alone])
