import pytest

from infra.fleet.load import ConstantLoad
from infra.fleet.wiring import measure

from .samples import MINUTE_MS, ORIGIN_MS, meter_of


@pytest.mark.parametrize("phases", [1, 3])
def test_power_is_voltage_times_current(phases: int) -> None:
    found = measure(meter_of(load=ConstantLoad(6_000), phases=phases), ORIGIN_MS)
    assert len(found.voltages_dv) == len(found.currents_ma) == phases
    apparent_uva = sum(
        voltage * current * 100 for voltage, current in zip(found.voltages_dv, found.currents_ma, strict=True)
    )
    assert apparent_uva / 1000 == pytest.approx(found.apparent_mva, rel=1e-3)
    assert found.active_mw == 6_000_000
    assert found.active_mw**2 + found.reactive_mvar**2 == pytest.approx(found.apparent_mva**2, rel=1e-6)
    assert found.factor_per_mille == pytest.approx(1000 * found.active_mw / found.apparent_mva, abs=1)


def test_the_voltage_wanders_within_its_band() -> None:
    meter = meter_of()
    voltages = {measure(meter, ORIGIN_MS + minute * MINUTE_MS).voltages_dv[0] for minute in range(500)}
    assert len(voltages) > 50
    assert 2250 <= min(voltages) <= max(voltages) <= 2350
    assert measure(meter, ORIGIN_MS) == measure(meter, ORIGIN_MS + MINUTE_MS - 1)
