"""Tariffs: their versions, bands and tiers (Pricing, P12, P13, P17)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from tests.model import refusal
from tests.model.records import Profile, SetTariff
from tests.model.refusal import refuse_if
from tests.model.texts import DAY, MINUTE, DayRange, local, midnight, time_of_day

UNIT_OF_KIND = {"electricity": "kWh", "water": "m3"}
ONLY_BAND = "all"

Bands = dict[str, tuple[DayRange, ...]]
Prices = dict[str, dict[str, tuple[int, ...]]]
"""Component, then band, then tier: nano-yuan per Wh or litre."""
CycleKey = tuple[str, int, int]
"""A cycle that consumption is counted in: ("month", year, month), ("year", year, 0), ("none", 0, 0)."""


@dataclass(frozen=True)
class Version:
    """A tariff as it is in force from `start` until the next version starts."""

    start: int
    cycle: str
    tiers: tuple[int, ...]
    """Lower limits, Wh or litres."""
    bands: Bands
    """The one without ranges is the rest of the day."""
    profiles: tuple[Profile, ...]
    prices: Prices

    def bands_on(self, time: int, calendar: dict[date, str]) -> Bands:
        """The bands of the local day of a time: those of the first profile that fits, else its own."""
        day = local(time).date()
        usual = "workday" if day.isoweekday() <= 5 else "weekend"
        for profile in self.profiles:
            in_season = profile.months is None or day.month in profile.months
            if in_season and (profile.days is None or calendar.get(day, usual) in profile.days):
                return profile.bands
        return self.bands

    def band_at(self, time: int, calendar: dict[date, str]) -> str:
        """The band that a time is in."""
        moment, bands = time_of_day(time), self.bands_on(time, calendar)
        for band, ranges in bands.items():
            if any(day_range.holds(moment) for day_range in ranges):
                return band
        return next(band for band, ranges in bands.items() if not ranges)

    def band_called(self, name: str) -> str:
        """The band of a name, or the rest of the day where this version has none of that name."""
        every = set(self.bands).union(*(profile.bands for profile in self.profiles))
        return name if name in every else next(band for band, ranges in self.bands.items() if not ranges)

    @property
    def tells_day_types_apart(self) -> bool:
        """Whether a profile is for some types of days only."""
        return any(profile.days is not None and len(set(profile.days)) < 3 for profile in self.profiles)

    def band_changes(self, start: int, end: int) -> Iterator[int]:
        """Every time on the days from `start` to `end` at which a range of a band begins or ends."""
        for day in range(midnight(start), end + 1, DAY):
            yield day
            every = [*self.bands.values(), *(ranges for profile in self.profiles for ranges in profile.bands.values())]
            for ranges in every:
                for day_range in ranges:
                    yield day + day_range.start * MINUTE
                    yield day + day_range.end * MINUTE

    def cut_by_tier(self, position: int, quantity: int) -> list[tuple[int, int]]:
        """Cut a quantity that begins at a position of its cycle into (tier, part), at the tiers' limits."""
        parts = []
        uppers = [*self.tiers[1:], position + quantity]
        for tier, (lower, upper) in enumerate(zip(self.tiers, uppers, strict=True)):
            inside = min(position + quantity, upper) - max(position, lower)
            if inside > 0:
                parts.append((tier, inside))
        return parts


@dataclass(frozen=True)
class Tariff:
    """All versions of a tariff, by rising `start`."""

    unit: str
    versions: tuple[Version, ...]

    def in_force(self, time: int) -> Version | None:
        """The latest version that starts at or before a time."""
        started = [version for version in self.versions if version.start <= time]
        return started[-1] if started else None

    def with_version(self, version: Version) -> "Tariff":
        """The tariff after a version was set; one with the same start is replaced."""
        others = [other for other in self.versions if other.start != version.start]
        return Tariff(self.unit, tuple(sorted([*others, version], key=lambda each: each.start)))


def cycle_keys(time: int) -> dict[str, CycleKey]:
    """The cycles of each kind that a time lies in."""
    moment = local(time)
    return {
        "month": ("month", moment.year, moment.month),
        "year": ("year", moment.year, 0),
        "none": ("none", 0, 0),
    }


def month_starts(start: int, end: int) -> Iterator[int]:
    """Local midnight of the 1st, each month from `start` to `end`; January's is the year's too."""
    for day in range(midnight(start), end + 1, DAY):
        if local(day).day == 1:
            yield day


def build_version(order: SetTariff) -> Version:
    """Make a version of an order.

    Raises:
        Refused: `invalid`, for a reason of P12 that can be seen without the tariff's past.
    """
    tiers = tuple(refusal.quantity(tier) for tier in order.tiers)
    refuse_if(not tiers or tiers[0] != 0, "invalid")
    refuse_if(any(lower >= upper for lower, upper in pairwise(tiers)), "invalid")
    bands: dict[str, tuple[DayRange, ...]] = {ONLY_BAND: ()} if order.bands is None else order.bands
    _check_bands(bands)
    refuse_if(order.profiles == (), "invalid")
    profiles = order.profiles or ()
    for profile in profiles:
        refuse_if(profile.months == () or profile.days == (), "invalid")
        refuse_if(any(month not in range(1, 13) for month in profile.months or ()), "invalid")
        _check_bands(profile.bands)
    named = set(bands).union(*(profile.bands for profile in profiles))
    refuse_if(not order.components, "invalid")
    prices: Prices = {}
    for component, by_band in order.components.items():
        refuse_if(set(by_band) != named, "invalid")
        refuse_if(any(len(rates) != len(tiers) for rates in by_band.values()), "invalid")
        prices[component] = {band: tuple(refusal.price(rate) for rate in rates) for band, rates in by_band.items()}
    return Version(order.start, order.cycle, tiers, bands, profiles, prices)


def _check_bands(bands: dict[str, tuple[DayRange, ...]]) -> None:
    refuse_if(sum(not ranges for ranges in bands.values()) != 1, "invalid")
    taken: set[int] = set()
    for day_range in (day_range for ranges in bands.values() for day_range in ranges):
        refuse_if(day_range.is_empty, "invalid")
        refuse_if(bool(day_range.minutes() & taken), "invalid")
        taken |= day_range.minutes()
