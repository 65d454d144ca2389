"""What a tenant draws: energy as an exact, never falling integer function of virtual time."""

from array import array
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import numpy as np

from infra.fleet.profile import QUARTER_MS, QUARTERS_A_DAY, Shape, YearProfile, year_profile
from infra.fleet.seeded import key_of, numbers

HOUR_MS = 3_600_000
LOCAL_OFFSET_MS = 8 * HOUR_MS
"""Asia/Shanghai, where every site is; it has had one offset since 1991."""
_BASE_YEAR = 2000
_PER_MILLE = 1000


class Load(Protocol):
    """A consumer behind a meter, were its supply never cut."""

    def energy_mwh(self, at_ms: int) -> int:
        """Give the energy drawn up to `at_ms` in mWh, from an arbitrary start: only differences count."""
        ...

    def power_mw(self, at_ms: int) -> int:
        """Give the power at `at_ms` in mW."""
        ...


@dataclass(frozen=True, slots=True)
class ConstantLoad:
    """Draws the same power always."""

    power_w: int

    def energy_mwh(self, at_ms: int) -> int:
        # W x ms = mJ, and 3600 mJ are one mWh.
        return self.power_w * at_ms // 3600

    def power_mw(self, at_ms: int) -> int:
        return self.power_w * 1000


@dataclass(frozen=True, slots=True)
class EndingLoad:
    """Draws what another load does, and nothing from a time on."""

    load: Load
    end_ms: int

    def energy_mwh(self, at_ms: int) -> int:
        return self.load.energy_mwh(min(at_ms, self.end_ms))

    def power_mw(self, at_ms: int) -> int:
        return self.load.power_mw(at_ms) if at_ms < self.end_ms else 0


@dataclass(frozen=True, slots=True)
class _Year:
    """A shape's year as one tenant lives it: each day weighs more or less than the profile says.

    `before[d]` is the weight of the days before d, in weight x per mille; `total` that of the year x ms.
    """

    number: int
    profile: YearProfile
    factors: "array[int]"
    before: "array[int]"
    total: int


class ShapeLoad:
    """Follows a standard load profile, with a yearly energy and days of its own.

    Guarantees: in each year of its own time (local time moved by `shift_ms`) it draws `yearly_wh` exactly;
    energy never falls; both depend on the arguments alone. A look-up costs a few whole-number operations: the
    profile's prefix sums are shared by all meters of a shape, the days' sums are kept for each meter.
    """

    def __init__(
        self, shape: Shape, *, yearly_wh: int, key: int = 0, spread_per_mille: int = 0, shift_ms: int = 0
    ) -> None:
        """Describe a tenant.

        Args:
            shape: The standard profile.
            yearly_wh: Energy of a calendar year.
            key: Seeds the factors of the days.
            spread_per_mille: A day weighs between 1000 minus and 1000 plus this, per mille of the profile's.
            shift_ms: How much earlier than the profile this tenant's day runs; later if negative.
        """
        if yearly_wh < 0:
            raise ValueError(f"yearly_wh must be 0 or more, not {yearly_wh}")
        if not 0 <= spread_per_mille < _PER_MILLE:
            raise ValueError(f"spread_per_mille must be 0 to 999, not {spread_per_mille}")
        self.shape = shape
        self.yearly_wh = yearly_wh
        self._key = key
        self._spread = spread_per_mille
        self._offset_ms = LOCAL_OFFSET_MS + shift_ms
        self._years: dict[int, _Year] = {}
        self._latest: _Year | None = None

    def energy_mwh(self, at_ms: int) -> int:
        year, quarter, rest_ms = self._place(at_ms)
        profile = year.profile
        day = quarter // QUARTERS_A_DAY
        in_day = (profile.prefix[quarter] - profile.prefix[day * QUARTERS_A_DAY]) * QUARTER_MS
        in_day += profile.weights[quarter] * rest_ms
        part = year.before[day] * QUARTER_MS + year.factors[day] * in_day
        yearly_mwh = self.yearly_wh * 1000
        return (year.number - _BASE_YEAR) * yearly_mwh + yearly_mwh * part // year.total

    def power_mw(self, at_ms: int) -> int:
        year, quarter, _ = self._place(at_ms)
        weight = year.profile.weights[quarter] * year.factors[quarter // QUARTERS_A_DAY]
        return self.yearly_wh * 1000 * weight * HOUR_MS // year.total

    def _place(self, at_ms: int) -> tuple[_Year, int, int]:
        """Find the year, the quarter hour in it and the ms into that."""
        own_ms = at_ms + self._offset_ms
        year = self._latest
        if year is None or not year.profile.start_ms <= own_ms < year.profile.end_ms:
            year = self._year(datetime.fromtimestamp(own_ms // 1000, UTC).year)
            self._latest = year
        quarter, rest_ms = divmod(own_ms - year.profile.start_ms, QUARTER_MS)
        return year, quarter, rest_ms

    def _year(self, number: int) -> _Year:
        known = self._years.get(number)
        if known is not None:
            return known
        profile = year_profile(self.shape, number)
        draws = numbers(key_of(self._key, number), profile.days) % np.uint64(2 * self._spread + 1)
        factors = draws.astype(np.int64) + (_PER_MILLE - self._spread)
        prefix = np.frombuffer(profile.prefix, np.int64)
        day_weights = np.diff(prefix[::QUARTERS_A_DAY])
        before = np.concatenate([np.zeros(1, np.int64), np.cumsum(day_weights * factors)])
        year = _Year(
            number=number,
            profile=profile,
            factors=array("q", factors.tobytes()),
            before=array("q", before.tobytes()),
            total=int(before[-1]) * QUARTER_MS,
        )
        self._years[number] = year
        return year
