"""The tariff versions of a site laid out as arrays, for the compiled fold."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.core.calendar import Calendar, DayType
from streams.core.localtime import FAR_AHEAD_MS, LONG_AGO_MS, MINUTE_MS, MINUTES_A_DAY
from streams.core.outcome import NO_VERSION

if TYPE_CHECKING:
    from streams.core.tariff import TariffVersion

CYCLES = ("month", "year", "none")
WIDE_PRICE = 1 << 31
"""Nano-yuan per Wh (2,147 yuan per kWh) from which a version's readings go by the plain rules: products grow wide."""


class PriceTable(NamedTuple):
    """Columns by version, rows by tariff and rising start; row 0 stands for "no version"."""

    last: NDArray[np.int64]
    """By tariff: the row of its latest version, 0 if it has none; one more place for "no tariff", -1."""
    previous: NDArray[np.int64]
    """The row of the same tariff's version before; 0 before its first."""
    starts_at: NDArray[np.int64]
    ends_at: NDArray[np.int64]
    number: NDArray[np.int64]
    cycle: NDArray[np.int64]
    """Index into `CYCLES`."""
    wide: NDArray[np.bool_]
    """Whether its tariff has a price too wide for products in 64 bits."""
    upper: NDArray[np.int64]
    """[row, tier]: where the tier ends, far ahead for the last."""
    price: NDArray[np.int64]
    """[row, band, tier]: nano-yuan per Wh or litre, over all components."""
    band: NDArray[np.uint8]
    """[row, profile, minute of the day]; profile 0 is that of days which no other fits."""
    change_ms: NDArray[np.int64]
    """[row, profile, minute of the day]: from the minute's start, how long its band goes on."""
    profiles: NDArray[np.uint8]
    """[row]: how many profiles there are beside profile 0."""
    profile: NDArray[np.uint8]
    """[row, month from 0, day type]."""
    special_day: NDArray[np.int64]
    """Local days whose type an order named, counted from 1970-01-01, rising."""
    special_type: NDArray[np.uint8]


def price_table(tariffs: Sequence[Sequence["TariffVersion"]], calendar: Calendar) -> PriceTable:
    """The table of tariffs given by their versions, those by rising start."""
    every = [version for versions in tariffs for version in versions]
    rows = len(every) + 1
    bands = max((len(version.band_names) for version in every), default=1)
    profiles = max((len(version.day_bands) for version in every), default=1)
    special = calendar.special_days
    tiers = max((len(version.tiers) for version in every), default=1)
    table = PriceTable(
        last=np.zeros(len(tariffs) + 1, np.int64),
        previous=np.zeros(rows, np.int64),
        starts_at=np.full(rows, LONG_AGO_MS, np.int64),
        ends_at=np.full(rows, FAR_AHEAD_MS, np.int64),
        number=np.full(rows, NO_VERSION, np.int64),
        cycle=np.zeros(rows, np.int64),
        wide=np.ones(rows, np.bool_),
        upper=np.full((rows, tiers), FAR_AHEAD_MS, np.int64),
        price=np.zeros((rows, bands, tiers), np.int64),
        band=np.zeros((rows, profiles, MINUTES_A_DAY), np.uint8),
        change_ms=np.zeros((rows, profiles, MINUTES_A_DAY), np.int64),
        profiles=np.zeros(rows, np.uint8),
        profile=np.zeros((rows, 12, len(DayType)), np.uint8),
        special_day=special.day,
        special_type=special.day_type,
    )
    row = 0
    for index, versions in enumerate(tariffs):
        # An interval may run on into a later version, so one wide version keeps all readings of its tariff out.
        wide = any(max(max(prices) for prices in version.price) >= WIDE_PRICE for version in versions)
        for place, version in enumerate(versions):
            row += 1
            table.previous[row] = row - 1 if place else 0
            if place:
                table.ends_at[row - 1] = version.starts_at
            table.wide[row] = wide
            _fill(table, row, version)
        table.last[index] = row if versions else 0
    return table


def _fill(table: PriceTable, row: int, version: "TariffVersion") -> None:
    table.starts_at[row] = version.starts_at
    table.number[row] = version.number
    table.cycle[row] = CYCLES.index(version.cycle)
    table.upper[row, : len(version.tiers) - 1] = version.tiers[1:]
    if not table.wide[row]:
        table.price[row, : len(version.band_names), : len(version.tiers)] = version.price
    for profile, bands in enumerate(version.day_bands):
        table.band[row, profile] = bands.code
        table.change_ms[row, profile] = np.array(bands.minutes_left, np.int64) * MINUTE_MS
    table.profiles[row] = len(version.profiles)
    for month in range(12):
        for day_type in DayType:
            table.profile[row, month, day_type] = version.profile_of(month + 1, day_type)
