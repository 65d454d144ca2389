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

from streams.core.calendar import DAY_TYPES, Calendar, DayType, day_start
from streams.core.daybands import Bands, DayBands, are_sound, day_bands
from streams.core.localtime import (
    FAR_AHEAD_MS,
    LONG_AGO_MS,
    MinuteRange,
    day_of,
    minute_of_day,
    month_of,
    month_start,
)
from streams.core.orders import SetTariff
from streams.core.outcome import NO_CELL, NO_VERSION
from streams.core.pricetable import PriceTable, price_table

EVERY_MONTH = tuple(range(1, 13))
EVERY_DAY = tuple(DayType)


@dataclass(frozen=True)
class Profile:
    """Bands of the days of some months (1 to 12) and types."""

    months: tuple[int, ...]
    days: tuple[DayType, ...]
    bands: Bands


@dataclass(frozen=True)
class TariffVersion:
    """One version of a tariff, checked: prices as [component][band][tier] in nano-yuan per Wh or litre."""

    number: int
    tariff: int
    starts_at: int
    cycle: str
    tiers: tuple[int, ...]
    bands: Bands
    """Of days that no profile fits."""
    profiles: tuple[Profile, ...]
    components: tuple[str, ...]
    prices: tuple[tuple[tuple[int, ...], ...], ...]

    @cached_property
    def price(self) -> tuple[tuple[int, ...], ...]:
        """[band][tier], over all components."""
        return tuple(tuple(sum(cells) for cells in zip(*rows, strict=True)) for rows in zip(*self.prices, strict=True))

    @cached_property
    def band_names(self) -> tuple[str, ...]:
        """By the code of a band: those of the version's own bands first."""
        every = [*self.bands, *(band for profile in self.profiles for band in profile.bands)]
        return tuple(dict.fromkeys(name for name, _ in every))

    @cached_property
    def band_codes(self) -> dict[str, int]:
        """Codes of the bands by their names."""
        return {name: code for code, name in enumerate(self.band_names)}

    @cached_property
    def rest_band(self) -> int:
        """The code of the band without ranges, of days that no profile fits."""
        return next(code for code, (_, ranges) in enumerate(self.bands) if not ranges)

    @cached_property
    def day_bands(self) -> tuple[DayBands, ...]:
        """Of days that no profile fits, then those of each profile."""
        return tuple(day_bands(bands, self.band_names) for bands in (self.bands, *(p.bands for p in self.profiles)))

    @cached_property
    def knows_day_types(self) -> bool:
        """Whether bands depend on the calendar."""
        return any(len(profile.days) < len(DayType) for profile in self.profiles)

    def profile_of(self, month: int, day_type: int) -> int:
        """Which of `day_bands` holds on days of a type in a month (1 to 12)."""
        for index, profile in enumerate(self.profiles):
            if month in profile.months and day_type in profile.days:
                return index + 1
        return 0

    def day_bands_at(self, at: int, calendar: Calendar) -> DayBands:
        """The bands of the local day in which an instant lies."""
        if not self.profiles:
            return self.day_bands[0]
        return self.day_bands[self.profile_of(month_of(at) % 12 + 1, calendar.type_of(day_of(at)))]

    def band_at(self, at: int, calendar: Calendar) -> int:
        """The code of the band in which an instant lies."""
        return self.day_bands_at(at, calendar).code[minute_of_day(at)]

    def next_boundary(self, at: int, calendar: Calendar) -> int:
        """The first instant after this one at which the band may change or a month starts.

        Every month's start cuts, whatever the cycle, and with profiles every midnight: where nothing changes at it,
        the parts on both sides add up to the whole; and what was priced is then known by month and by year when a
        later version has another cycle.
        """
        end = min(self.day_bands_at(at, calendar).end(at), month_start(month_of(at) + 1))
        return min(end, day_start(day_of(at) + 1)) if self.profiles else end

    def tier_at(self, position: int) -> int:
        """The block in which the next unit after `position` units of the cycle lies."""
        return bisect_right(self.tiers, position) - 1


def check_version(order: SetTariff, *, number: int, tariff: int) -> TariffVersion | None:
    """The version that an order describes; None where a rule of P6 or P12 is broken (refused `invalid`)."""
    tiers = [limit.scaled(3) for limit in order.tiers]
    if not tiers or tiers[0] != 0 or len(tiers) >= NO_CELL or len(order.profiles or ()) >= NO_CELL:
        return None
    limits = [limit for limit in tiers if limit is not None]
    if len(limits) < len(tiers) or any(low >= high for low, high in pairwise(limits)):
        return None
    profiles = _check_profiles(order)
    if profiles is None or not are_sound(order.bands):
        return None
    every = [*order.bands, *(band for profile in profiles for band in profile.bands)]
    names = list(dict.fromkeys(name for name, _ in every))
    prices = []
    for _, by_band in order.components:
        cells = dict(by_band)
        if set(cells) != set(names):
            return None
        rows = [[price.scaled(6) for price in cells[name]] for name in names]
        if any(len(row) != len(limits) or any(p is None or p < 0 for p in row) for row in rows):
            return None
        prices.append(tuple(tuple(price for price in row if price is not None) for row in rows))
    if not prices or number >= NO_VERSION or len(names) >= NO_CELL:
        return None
    return TariffVersion(
        number=number,
        tariff=tariff,
        starts_at=order.starts_at,
        cycle=order.cycle,
        tiers=tuple(limits),
        bands=order.bands,
        profiles=profiles,
        components=tuple(name for name, _ in order.components),
        prices=tuple(prices),
    )


def _check_profiles(order: SetTariff) -> tuple[Profile, ...] | None:
    if order.profiles is not None and not order.profiles:
        return None
    profiles = []
    for months, days, bands in order.profiles or ():
        if months == () or days == () or any(not 1 <= month <= 12 for month in months or ()) or not are_sound(bands):
            return None
        day_types = EVERY_DAY if days is None else tuple(sorted({DayType(DAY_TYPES.index(day)) for day in days}))
        profiles.append(Profile(EVERY_MONTH if months is None else tuple(sorted(set(months))), day_types, bands))
    return tuple(profiles)


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
        self.calendar = Calendar()
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

    def priced_by_day_type(self) -> int:
        """The latest end of what tariffs that know day types have priced; long ago if there is none."""
        return max(
            (
                int(self.priced_until[number])
                for number, tariff in enumerate(self._tariffs)
                if any(version.knows_day_types for version in tariff.versions)
            ),
            default=LONG_AGO_MS,
        )

    def changed(self) -> None:
        """Note that a tariff's versions or the calendar changed."""
        self._table = None

    @property
    def table(self) -> PriceTable:
        """The versions in force as arrays."""
        if self._table is None:
            self._table = price_table([tariff.versions for tariff in self._tariffs], self.calendar)
        return self._table


def version_record(version: TariffVersion) -> dict[str, Any]:
    """A version as JSON-like values, for the site's page."""
    return {
        "number": version.number,
        "starts_at": version.starts_at,
        "cycle": version.cycle,
        "tiers": list(version.tiers),
        "bands": _bands_record(version.bands),
        **({"profiles": [_profile_record(profile) for profile in version.profiles]} if version.profiles else {}),
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
        bands=_bands_of(record["bands"]),
        profiles=tuple(
            Profile(tuple(profile["months"]), tuple(map(DayType, profile["days"])), _bands_of(profile["bands"]))
            for profile in record.get("profiles", ())
        ),
        components=tuple(record["components"]),
        prices=tuple(tuple(tuple(row) for row in rows) for rows in record["prices"]),
    )


def _bands_record(bands: Bands) -> list[Any]:
    return [[name, [list(span) for span in ranges]] for name, ranges in bands]


def _bands_of(record: list[Any]) -> Bands:
    return tuple((name, tuple(MinuteRange(span) for span in ranges)) for name, ranges in record)


def _profile_record(profile: Profile) -> dict[str, Any]:
    return {"months": profile.months, "days": profile.days, "bands": _bands_record(profile.bands)}
