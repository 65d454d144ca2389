"""Tariffs: their versions, the bands of the day, the tiers of a cycle, and the price of each cell.

A version is in force from its `starts_at` until the next one's. Its cell (band, tier) has one price for each component;
what is charged is their sum, so a quantity times one number. `TariffVersion` answers what holds at one instant;
`streams.core.pricetable` lays the versions of a site out as arrays for the compiled fold.
"""

from bisect import bisect_right, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from streams.core.localtime import (
    FAR_AHEAD_MS,
    LONG_AGO_MS,
    MINUTE_MS,
    MINUTES_A_DAY,
    OFFSET_MS,
    MinuteRange,
    minute_of_day,
    month_of,
    month_start,
)
from streams.core.orders import SetTariff
from streams.core.outcome import NO_CELL, NO_VERSION
from streams.core.pricetable import PriceTable, price_table


@dataclass(frozen=True)
class TariffVersion:
    """One version of a tariff, checked: prices as [component][band][tier] in nano-yuan per Wh or litre."""

    number: int
    tariff: int
    starts_at: int
    cycle: str
    tiers: tuple[int, ...]
    bands: tuple[tuple[str, tuple[MinuteRange, ...]], ...]
    components: tuple[str, ...]
    prices: tuple[tuple[tuple[int, ...], ...], ...]

    @cached_property
    def price(self) -> tuple[tuple[int, ...], ...]:
        """[band][tier], over all components."""
        return tuple(tuple(sum(cells) for cells in zip(*rows, strict=True)) for rows in zip(*self.prices, strict=True))

    @cached_property
    def band_of_minute(self) -> tuple[int, ...]:
        """The band of each minute of the day."""
        rest = next(index for index, (_, ranges) in enumerate(self.bands) if not ranges)
        minutes = [rest] * MINUTES_A_DAY
        for index, (_, ranges) in enumerate(self.bands):
            for start, end in ranges:
                for minute in range(start, end if start < end else end + MINUTES_A_DAY):
                    minutes[minute % MINUTES_A_DAY] = index
        return tuple(minutes)

    @cached_property
    def minutes_to_change(self) -> tuple[int, ...]:
        """From the start of each minute, how many minutes its band goes on; far ahead where it never changes."""
        bands = self.band_of_minute
        if len(set(bands)) == 1:
            return (FAR_AHEAD_MS // MINUTE_MS // 4,) * MINUTES_A_DAY
        left = [0] * MINUTES_A_DAY
        # Two turns backwards, so that a band that wraps midnight counts on into the next day.
        for minute in range(2 * MINUTES_A_DAY - 1, -1, -1):
            here, after = minute % MINUTES_A_DAY, (minute + 1) % MINUTES_A_DAY
            left[here] = left[after] + 1 if bands[here] == bands[after] else 1
        return tuple(left)

    def band_at(self, at: int) -> int:
        """The band in which an instant lies."""
        return self.band_of_minute[minute_of_day(at)]

    def next_boundary(self, at: int) -> int:
        """The first change of band or start of a month after an instant.

        Every month's start cuts, whatever the cycle: where nothing changes at it, the parts on both sides add up to
        the whole; and what was priced is then known by month and by year when a later version has another cycle.
        """
        minute = minute_of_day(at)
        band_end = at - (at + OFFSET_MS) % MINUTE_MS + self.minutes_to_change[minute] * MINUTE_MS
        return min(band_end, month_start(month_of(at) + 1))

    def tier_at(self, position: int) -> int:
        """The block in which the next unit after `position` units of the cycle lies."""
        return bisect_right(self.tiers, position) - 1


def check_version(order: SetTariff, *, number: int, tariff: int) -> TariffVersion | None:
    """The version that an order describes; None where a rule of P6 or P12 is broken (refused `invalid`)."""
    tiers = [limit.scaled(3) for limit in order.tiers]
    if not tiers or tiers[0] != 0 or len(tiers) >= NO_CELL or len(order.bands) >= NO_CELL:
        return None
    limits = [limit for limit in tiers if limit is not None]
    if len(limits) < len(tiers) or any(low >= high for low, high in pairwise(limits)):
        return None
    if sum(not ranges for _, ranges in order.bands) != 1 or not _ranges_apart(order):
        return None
    names = [name for name, _ in order.bands]
    prices = []
    for _, by_band in order.components:
        cells = dict(by_band)
        if set(cells) != set(names):
            return None
        rows = [[price.scaled(6) for price in cells[name]] for name in names]
        if any(len(row) != len(limits) or any(p is None or p < 0 for p in row) for row in rows):
            return None
        prices.append(tuple(tuple(price for price in row if price is not None) for row in rows))
    if not prices or number >= NO_VERSION:
        return None
    return TariffVersion(
        number=number,
        tariff=tariff,
        starts_at=order.starts_at,
        cycle=order.cycle,
        tiers=tuple(limits),
        bands=order.bands,
        components=tuple(name for name, _ in order.components),
        prices=tuple(prices),
    )


def _ranges_apart(order: SetTariff) -> bool:
    """Whether no range is empty and no minute lies in two of them."""
    taken = bytearray(MINUTES_A_DAY)
    for _, ranges in order.bands:
        for start, end in ranges:
            if start == end:
                return False
            for minute in range(start, end if start < end else end + MINUTES_A_DAY):
                if taken[minute % MINUTES_A_DAY]:
                    return False
                taken[minute % MINUTES_A_DAY] = 1
    return True


@dataclass(slots=True)
class Tariff:
    """A tariff of a site: its versions by rising start."""

    name: str
    unit: str
    versions: list[TariffVersion] = field(default_factory=list)

    def put(self, version: TariffVersion) -> None:
        """Take a version in; one of the same start gives way."""
        self.versions = [kept for kept in self.versions if kept.starts_at != version.starts_at]
        insort(self.versions, version, key=lambda kept: kept.starts_at)

    def in_force(self, at: int) -> tuple[TariffVersion | None, int]:
        """The version in force at an instant, if any, and the start of the next one after it."""
        index = bisect_right(self.versions, at, key=lambda version: version.starts_at)
        after = self.versions[index].starts_at if index < len(self.versions) else FAR_AHEAD_MS
        return (self.versions[index - 1] if index else None), after


class Tariffs:
    """The tariffs of a site by number, and how far each has been used for pricing."""

    def __init__(self) -> None:
        self.by_name: dict[str, int] = {}
        self.versions = 0
        """Running number of the next version."""
        self.priced_until = np.full(1, LONG_AGO_MS, np.int64)
        """By tariff: the latest end of a part of an interval that it has priced on any meter (P13). One place more
        than there are tariffs, so that "no tariff", -1, has one too."""
        self._tariffs: list[Tariff] = []
        self._table: PriceTable | None = None

    def __len__(self) -> int:
        return len(self._tariffs)

    def __iter__(self) -> Iterator[Tariff]:
        return iter(self._tariffs)

    def __getitem__(self, number: int) -> Tariff:
        return self._tariffs[number]

    def add(self, tariff: Tariff) -> None:
        """A further tariff."""
        self.by_name[tariff.name] = len(self._tariffs)
        self._tariffs.append(tariff)
        self.priced_until = np.insert(self.priced_until, len(self._tariffs) - 1, LONG_AGO_MS)
        self._table = None

    def drop_last(self) -> None:
        """Take the tariff that was added last back."""
        del self.by_name[self._tariffs.pop().name]
        self.priced_until = np.delete(self.priced_until, len(self._tariffs))
        self._table = None

    def priced(self, number: int, until: int) -> None:
        """Note that a tariff has priced up to an instant."""
        self.priced_until[number] = max(until, int(self.priced_until[number]))

    def changed(self) -> None:
        """Note that a tariff's versions changed."""
        self._table = None

    @property
    def table(self) -> PriceTable:
        """The versions in force as arrays."""
        if self._table is None:
            self._table = price_table([tariff.versions for tariff in self._tariffs])
        return self._table


def version_record(version: TariffVersion) -> dict[str, Any]:
    """A version as JSON-like values, for the site's page."""
    return {
        "number": version.number,
        "starts_at": version.starts_at,
        "cycle": version.cycle,
        "tiers": list(version.tiers),
        "bands": [[name, [list(span) for span in ranges]] for name, ranges in version.bands],
        "components": list(version.components),
        "prices": [[list(row) for row in rows] for rows in version.prices],
    }


def version_of(record: dict[str, Any], tariff: int) -> TariffVersion:
    """The version that `version_record` wrote."""
    return TariffVersion(
        number=record["number"],
        tariff=tariff,
        starts_at=record["starts_at"],
        cycle=record["cycle"],
        tiers=tuple(record["tiers"]),
        bands=tuple((name, tuple(MinuteRange(span) for span in ranges)) for name, ranges in record["bands"]),
        components=tuple(record["components"]),
        prices=tuple(tuple(tuple(row) for row in rows) for rows in record["prices"]),
    )
