"""What an interval of consumption costs: splitting, bands, tiers and components (P13 to P17).

Boundaries. An interval is cut at *every* time at which anything could change: each edge of a band of each
version, each 1st of a month, each version's `from`, each change of the meter's tariff. The text cuts at fewer
(only where the band, the version or the tariff does change); the result is the same, because the consumption
up to a boundary is always the floor over the whole interval, so the parts on both sides of a boundary at which
nothing changes add up to the uncut part, take neighbouring positions and have the same price.

Positions. Three counts run beside each other for every meter: of the month, of the year and for ever. Every
priced segment counts in all three, by its own start, whatever cycle its tariff has. The count that a segment is
placed by is the one of the `cycle` of the version that prices it, again by the segment's start: for `year`, what
was priced in that calendar year, under monthly tariffs too. A part priced late counts in, and takes the position
of, its own month or year, after everything that was priced in it before. A replacement begins at what the
meters before it were priced for; they do not count what it was priced for.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import pairwise

from tests.model.meter import Interval, Meter
from tests.model.tariff import CycleKey, Tariff, Version, cycle_keys, month_starts

Assignments = tuple[tuple[int, str], ...]
"""(since, tariff) of a meter, in the order in which they were made."""


@dataclass(frozen=True)
class PriceBook:
    """All that prices depend on in a site. A change of it is a new book, so it can be tried first."""

    tariffs: dict[str, Tariff]
    assignments: dict[str, Assignments]
    """By meter; a meter that never had a tariff has none."""
    calendar: dict[date, str] = field(default_factory=dict)
    """The types of the days that an order named."""

    def with_tariff(self, name: str, tariff: Tariff) -> "PriceBook":
        """The book with a tariff in place of the one of this name."""
        return replace(self, tariffs={**self.tariffs, name: tariff})

    def with_assignments(self, meter_id: str, assignments: Assignments) -> "PriceBook":
        """The book with other assignments of a meter."""
        return replace(self, assignments={**self.assignments, meter_id: assignments})

    def with_assignment(self, meter: Meter, since: int, name: str) -> "PriceBook":
        """The book after an assignment: a meter's first tariff holds from its installation."""
        earlier = self.assignments[meter.meter_id]
        start = since if earlier else meter.installed_at
        return self.with_assignments(meter.meter_id, (*earlier, (start, name)))

    def in_force(self, meter_id: str, time: int) -> tuple[str, Version] | None:
        """The tariff of a meter at a time and its version, or None where either is missing."""
        started = [name for since, name in self.assignments[meter_id] if since <= time]
        if not started:
            return None
        version = self.tariffs[started[-1]].in_force(time)
        return None if version is None else (started[-1], version)

    def boundaries(self, meter_id: str, start: int, end: int) -> list[int]:
        """Every time inside (start, end) at which anything about a meter's price could change."""
        times = set(month_starts(start, end))
        for since, name in self.assignments[meter_id]:
            times.add(since)
            for version in self.tariffs[name].versions:
                times.add(version.start)
                times.update(version.band_changes(start, end))
        return sorted(time for time in times if start < time < end)


@dataclass(frozen=True)
class Segment:
    """A part of an interval that was priced in one band of one version."""

    meter: Meter
    tariff: str
    start: int
    end: int
    band: str
    quantity: int
    by_tier: tuple[tuple[int, int], ...]
    by_component: dict[str, int]
    """Nano-yuan."""

    def cycles(self) -> Iterable[CycleKey]:
        """The cycles that its quantity counts in."""
        return cycle_keys(self.start).values()

    @property
    def amount(self) -> int:
        """Nano-yuan over all components."""
        return sum(self.by_component.values())


@dataclass(frozen=True)
class Quote:
    """What pricing would do; nothing is changed until a site takes it."""

    segments: list[Segment]
    intervals: list[tuple[Meter, Interval]]
    """The intervals with what is left open of each."""

    def amounts(self) -> Counter[str]:
        """Nano-yuan by account."""
        amounts: Counter[str] = Counter()
        for segment in self.segments:
            amounts[segment.meter.account_id] += segment.amount
        return amounts


def quote(book: PriceBook, intervals: Iterable[tuple[Meter, Interval]]) -> Quote:
    """Price the open parts of intervals one after the other, in the order given."""
    counted: Counter[tuple[str, CycleKey]] = Counter()
    segments: list[Segment] = []
    remaining: list[tuple[Meter, Interval]] = []
    for meter, interval in intervals:
        still_open: list[tuple[int, int]] = []
        for part_start, part_end in interval.open_parts:
            cuts = [part_start, *book.boundaries(meter.meter_id, part_start, part_end), part_end]
            for start, end in pairwise(cuts):
                in_force = book.in_force(meter.meter_id, start)
                if in_force is None:
                    still_open.append((start, end))
                    continue
                name, version = in_force
                consumption = interval.consumption_of(start, end)
                cycles = cycle_keys(start)
                cycle = cycles[version.cycle]
                position = meter.position(cycle) + _counted_with_predecessors(counted, meter, cycle)
                if interval.band is None:
                    band = version.band_at(start, book.calendar)
                else:
                    band = version.band_called(interval.band)
                segments.append(_price(meter, name, version, (start, end), band, position, consumption))
                for key in cycles.values():
                    counted[meter.meter_id, key] += consumption
        remaining.append((meter, replace(interval, open_parts=tuple(still_open))))
    return Quote(segments, remaining)


def _counted_with_predecessors(counted: Counter[tuple[str, CycleKey]], meter: Meter, cycle: CycleKey) -> int:
    before = _counted_with_predecessors(counted, meter.replaces, cycle) if meter.replaces else 0
    return before + counted[meter.meter_id, cycle]


def _price(
    meter: Meter, name: str, version: Version, span: tuple[int, int], band: str, position: int, quantity: int
) -> Segment:
    parts = version.cut_by_tier(position, quantity)
    by_component = {
        component: sum(part * rates[band][tier] for tier, part in parts) for component, rates in version.prices.items()
    }
    return Segment(meter, name, *span, band, quantity, tuple(parts), by_component)
