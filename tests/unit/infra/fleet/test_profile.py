import warnings
from typing import Any

import numpy as np
import pytest

from infra.fleet.errors import FleetError
from infra.fleet.profile import DAY_MS, QUARTERS_A_DAY, Shape, _dynamic, _millionths, year_profile


@pytest.fixture(scope="module")
def elec_slp() -> Any:
    """Give demandlib's own reading of the year 2026.

    It turns all warnings into errors in its middle and then trips over pandas' deprecations, so the filters
    are held as they are meanwhile.
    """
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setattr(warnings, "simplefilter", lambda *_args, **_options: None)
        from demandlib.bdew import ElecSlp

        return ElecSlp(2026)


@pytest.mark.parametrize("shape", [shape for shape in Shape if shape is not Shape.HOUSEHOLD])
def test_weights_are_demandlibs_profile(elec_slp: Any, shape: Shape) -> None:
    weights = np.frombuffer(year_profile(shape, 2026).weights, np.int64)
    expected = elec_slp.slp_frame[shape.value].to_numpy()
    np.testing.assert_allclose(weights / weights.sum(), expected, rtol=1e-9)


def test_household_weights_are_demandlibs_dynamic_profile(elec_slp: Any) -> None:
    # demandlib smooths the factor within the day; the published rule has one a day.
    weights = np.frombuffer(year_profile(Shape.HOUSEHOLD, 2026).weights, np.int64)
    expected = elec_slp.slp_frame["h0_dyn"].to_numpy()
    np.testing.assert_allclose(weights / weights.sum(), expected / expected.sum(), rtol=0.005)


@pytest.mark.parametrize(("year", "days"), [(2025, 365), (2028, 366)])
def test_a_year_has_all_its_quarter_hours(year: int, days: int) -> None:
    profile = year_profile(Shape.SHOP, year)
    assert profile.days == days
    assert profile.end_ms - profile.start_ms == days * DAY_MS
    assert len(profile.prefix) == days * QUARTERS_A_DAY + 1
    assert profile.prefix[0] == 0
    assert profile.prefix[-1] == sum(profile.weights)


def test_shops_sell_by_day_and_not_on_sundays() -> None:
    weights = np.frombuffer(year_profile(Shape.SHOP, 2026).weights, np.int64).reshape(-1, QUARTERS_A_DAY)
    monday, sunday = weights[60], weights[66]  # 2 and 8 March 2026
    assert monday[60] > 3 * monday[12]
    assert sunday.sum() < monday.sum()


@pytest.mark.parametrize("day", [1, 100, 182, 300, 365, 366])
def test_dynamic_factor_is_bdews_polynomial(day: int) -> None:
    exact = -3.92e-10 * day**4 + 3.2e-7 * day**3 - 7.02e-5 * day**2 + 2.1e-3 * day + 1.24
    assert _dynamic(day) == round(exact * 10_000)


def test_a_finer_value_than_the_table_holds_is_refused() -> None:
    with pytest.raises(FleetError, match="decimals"):
        _millionths("0.0863601")
