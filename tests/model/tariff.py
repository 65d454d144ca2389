"""Tariffs: their versions, bands and tiers (Pricing, P12, P13, P17)."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from tests.model import refusal
from tests.model.records import SetTariff
from tests.model.refusal import refuse_if
from tests.model.texts import DAY, MINUTE, DayRange, local, midnight, time_of_day

UNIT_OF_KIND = {"electricity": "kWh", "water": "m3"}
ONLY_BAND = "all"

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
    bands: dict[str, tuple[DayRange, ...]]
    """The one without ranges is the rest of the day."""
    prices: Prices

    def band_at(self, time: int) -> str:
        """The band that a time is in."""
        moment = time_of_day(time)
        for band, ranges in self.bands.items():
            if any(day_range.holds(moment) for day_range in ranges):
                return band
        return next(band for band, ranges in self.bands.items() if not ranges)

    def band_changes(self, start: int, end: int) -> Iterator[int]:
        """Every time on the days from `start` to `end` at which a range of a band begins or ends."""
        for day in range(midnight(start), end + 1, DAY):
            for ranges in self.bands.values():
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
    refuse_if(not order.components, "invalid")
    prices: Prices = {}
    for component, by_band in order.components.items():
        refuse_if(set(by_band) != set(bands), "invalid")
        refuse_if(any(len(rates) != len(tiers) for rates in by_band.values()), "invalid")
        prices[component] = {band: tuple(refusal.price(rate) for rate in rates) for band, rates in by_band.items()}
    return Version(order.start, order.cycle, tiers, bands, prices)


def _check_bands(bands: dict[str, tuple[DayRange, ...]]) -> None:
    refuse_if(sum(not ranges for ranges in bands.values()) != 1, "invalid")
    taken: set[int] = set()
    for day_range in (day_range for ranges in bands.values() for day_range in ranges):
        refuse_if(day_range.is_empty, "invalid")
        refuse_if(bool(day_range.minutes() & taken), "invalid")
        taken |= day_range.minutes()
