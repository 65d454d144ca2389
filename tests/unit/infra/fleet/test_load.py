from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.fleet.load import HOUR_MS, ConstantLoad, ShapeLoad
from infra.fleet.profile import QUARTER_MS, Shape

from .samples import ORIGIN_MS

YEARLY_WH = 31_234_567


def local_ms(text: str) -> int:
    return int(datetime.fromisoformat(f"{text}T00:00:00+08:00").timestamp()) * 1000


def load_of(shape: Shape = Shape.SHOP, *, key: int = 5, shift_ms: int = 0) -> ShapeLoad:
    return ShapeLoad(shape, yearly_wh=YEARLY_WH, key=key, spread_per_mille=200, shift_ms=shift_ms)


@pytest.mark.parametrize("year", [2025, 2026, 2028])
@pytest.mark.parametrize("shape", list(Shape))
def test_a_calendar_year_draws_exactly_its_energy(shape: Shape, year: int) -> None:
    load = load_of(shape)
    start, end = local_ms(f"{year}-01-01"), local_ms(f"{year + 1}-01-01")
    assert load.energy_mwh(end) - load.energy_mwh(start) == YEARLY_WH * 1000


def test_a_shifted_year_does_too() -> None:
    load = load_of(shift_ms=3 * QUARTER_MS)
    start, end = local_ms("2026-01-01") - 3 * QUARTER_MS, local_ms("2027-01-01") - 3 * QUARTER_MS
    assert load.energy_mwh(end) - load.energy_mwh(start) == YEARLY_WH * 1000


def test_the_sum_of_quarter_hours_is_the_power_in_them() -> None:
    load = load_of()
    for quarter in range(2 * 96):
        start = ORIGIN_MS + quarter * QUARTER_MS
        drawn = load.energy_mwh(start + QUARTER_MS) - load.energy_mwh(start)
        assert abs(drawn - load.power_mw(start) // 4) <= 1


def test_days_differ_by_their_factor_only() -> None:
    even = ShapeLoad(Shape.ALWAYS_ON, yearly_wh=YEARLY_WH)
    own = load_of(Shape.ALWAYS_ON)
    ratios = {
        round(own.power_mw(ORIGIN_MS + day * 24 * HOUR_MS) / even.power_mw(ORIGIN_MS + day * 24 * HOUR_MS), 2)
        for day in range(21)
    }
    assert len(ratios) > 10
    assert all(0.78 < ratio < 1.22 for ratio in ratios)


@given(
    start=st.integers(local_ms("2025-12-20"), local_ms("2027-01-10")),
    steps=st.lists(st.integers(0, 40 * HOUR_MS), max_size=20),
)
def test_energy_never_falls_and_depends_on_time_alone(start: int, steps: list[int]) -> None:
    load, again = load_of(Shape.HOUSEHOLD), load_of(Shape.HOUSEHOLD)
    times = [start]
    for step in steps:
        times.append(times[-1] + step)
    energies = [load.energy_mwh(time) for time in times]
    assert energies == sorted(energies)
    assert list(reversed(energies)) == [again.energy_mwh(time) for time in reversed(times)]


def test_other_keys_are_other_tenants() -> None:
    day = ORIGIN_MS + 24 * HOUR_MS
    drawn = {load_of(key=key).energy_mwh(day) - load_of(key=key).energy_mwh(ORIGIN_MS) for key in range(10)}
    assert len(drawn) == 10


def test_constant_load_draws_its_power() -> None:
    load = ConstantLoad(3_000)
    assert load.energy_mwh(ORIGIN_MS + HOUR_MS) - load.energy_mwh(ORIGIN_MS) == 3_000_000
    assert load.power_mw(ORIGIN_MS) == 3_000_000


def test_negative_energy_is_refused() -> None:
    with pytest.raises(ValueError, match="yearly_wh"):
        ShapeLoad(Shape.SHOP, yearly_wh=-1)


@pytest.mark.parametrize("spread", [-1, 1000])
def test_a_spread_that_could_turn_a_day_around_is_refused(spread: int) -> None:
    with pytest.raises(ValueError, match="spread_per_mille"):
        ShapeLoad(Shape.SHOP, yearly_wh=1, spread_per_mille=spread)
