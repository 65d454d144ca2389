"""Intervals cut at their boundaries and priced, many together: the array form of `consumption.price_part`.

All intervals advance by one segment a turn, from boundary to boundary, until the last has reached its end; half-hourly
readings take one or two turns.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from streams.core.localtime import month_starts, months_of
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
    """Row of the version table in force at the start."""
    priced: Whole
    """What was ever priced; the position in a cycle is this less what it was when the cycle began."""
    month: Whole
    """Of the latest priced segment."""
    month_base: Whole
    year_base: Whole
    start_month: Whole

    @classmethod
    def of(
        cls,
        hot: NDArray[np.void],
        setup: NDArray[np.void],
        *,
        end: Whole,
        consumption: Whole,
        version: Whole,
    ) -> Self:
        """The intervals of meters with these rows, from their accepted readings on."""
        start = hot["read_at"].copy()
        return cls(
            start=start,
            end=end,
            consumption=consumption,
            version=version,
            priced=hot["priced"].copy(),
            month=setup["month"].astype(np.int64),
            month_base=setup["month_base"].copy(),
            year_base=setup["year_base"].copy(),
            start_month=months_of(start),
        )

    def position(self, table: VersionTable) -> Whole:
        """What was priced so far in the cycle of the version in force, at each start."""
        in_month = np.where(self.month == self.start_month, self.priced - self.month_base, 0)
        if table.monthly:
            return in_month
        same_year = self.month // _YEAR == self.start_month // _YEAR
        in_year = np.where(same_year, self.priced - self.year_base, 0)
        return np.choose(table.cycle[self.version], (in_month, in_year, self.priced))

    def month_end(self) -> Whole:
        """When the month of each start ends."""
        return month_starts(self.start_month + 1)

    def count(self, quantity: Whole) -> None:
        """Count what was priced in segments that begin at the starts; the first of a month or year begins its count."""
        turned = np.flatnonzero((quantity > 0) & (self.month != self.start_month))
        if turned.size:
            self.month_base[turned] = self.priced[turned]
            other_year = self.month[turned] // _YEAR != self.start_month[turned] // _YEAR
            self.year_base[turned] = np.where(other_year, self.priced[turned], self.year_base[turned])
            self.month[turned] = self.start_month[turned]
        self.priced += quantity

    def take(self, index: NDArray[np.int64]) -> "Intervals":
        """Some of them, as columns of their own."""
        return Intervals(*(getattr(self, name)[index] for name in self.__slots__))

    def put(self, index: NDArray[np.int64], positions: "Intervals") -> None:
        """Take the positions of some of them over."""
        for name in ("priced", "month", "month_base", "year_base"):
            getattr(self, name)[index] = getattr(positions, name)


@dataclass(frozen=True, slots=True)
class CutPrices:
    """What cutting made of some intervals: amounts, the cell of each that lies in one, and pieces of the others."""

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


def cut_and_price(table: VersionTable, intervals: Intervals) -> CutPrices:
    """Cut intervals at their boundaries and price every segment by its position; changes the positions.

    A version must be in force at every start.
    """
    whole_start = intervals.start.copy()
    consumption = intervals.consumption
    done = np.zeros(len(consumption), np.int64)
    live = np.flatnonzero(consumption)
    emitted = [_of_nothing(table, intervals, np.flatnonzero(consumption == 0))]
    while live.size:
        now = intervals.take(live)
        now.start_month = months_of(now.start)
        band, band_end = table.band_and_end(now.version, now.start)
        version_end = table.ends_at[now.version]
        end = np.minimum(np.minimum(band_end, now.month_end()), np.minimum(version_end, now.end))
        # Floors of the whole interval's consumption, so that neighbours add up; the last boundary gets all of it.
        share = now.consumption * (end - whole_start[live]) // (now.end - whole_start[live])
        upto = np.where(end >= now.end, now.consumption, share)
        quantity = upto - done[live]
        emitted += _price(table, now, live, band, quantity)
        now.count(quantity)
        intervals.put(live, now)
        done[live] = upto
        intervals.start[live] = end
        intervals.version[live] = now.version + (end == version_end)
        live = live[end < now.end]
    return _gathered(np.concatenate(emitted), len(consumption))


def _of_nothing(table: VersionTable, intervals: Intervals, places: NDArray[np.int64]) -> NDArray[np.void]:
    """The cell at the start of each interval without consumption, as a piece of nothing."""
    rows = np.zeros(len(places), PIECE)
    if places.size:
        now = intervals.take(places)
        rows["reading"], rows["start"] = places, now.start
        rows["version"] = table.number[now.version]
        rows["band"] = table.band_and_end(now.version, now.start)[0]
        rows["tier"] = table.tier_and_limit(now.version, now.position(table))[0]
    return rows


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


def _gathered(rows: NDArray[np.void], count: int) -> CutPrices:
    """Pieces by interval and time; neighbours of one cell joined, those of a single piece made a cell."""
    rows = rows[np.argsort(rows["reading"], kind="stable")]
    first = np.ones(len(rows), np.bool_)
    first[1:] = rows["reading"][1:] != rows["reading"][:-1]
    for name in ("version", "band", "tier"):
        first[1:] |= rows[name][1:] != rows[name][:-1]
    begin = np.flatnonzero(first)
    joined = rows[begin]
    for name in ("quantity", "amount"):
        joined[name] = np.add.reduceat(rows[name], begin)
    amount = np.zeros(count, np.int64)
    np.add.at(amount, joined["reading"], joined["amount"])
    alone = np.bincount(joined["reading"], minlength=count)[joined["reading"]] == 1
    version, band, tier = (np.full(count, none, np.int64) for none in (NO_VERSION, NO_CELL, NO_CELL))
    single = joined[alone]
    for column, name in ((version, "version"), (band, "band"), (tier, "tier")):
        column[single["reading"]] = single[name]
    return CutPrices(amount, version, band, tier, joined[~alone])
