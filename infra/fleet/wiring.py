"""Voltage, current and power factor of a virtual meter: plausible, seeded, and true to its power.

They are not money, but whole numbers all the same, so that a frame is the same on every machine.
"""

from dataclasses import dataclass
from math import isqrt

from infra.fleet.meter import Meter
from infra.fleet.seeded import key_of, mix

_MINUTE_MS = 60_000
_NOMINAL_DV = 2300


@dataclass(frozen=True, slots=True)
class Measures:
    """What the meter measures at one time, in the steps of its displays.

    Attributes:
        voltages_dv: 0.1 V for each phase.
        currents_ma: mA for each phase; the load is shared evenly.
        active_mw: mW over all phases.
        reactive_mvar: mvar over all phases.
        apparent_mva: mVA over all phases.
        factor_per_mille: Power factor; 1000 without load.
    """

    voltages_dv: tuple[int, ...]
    currents_ma: tuple[int, ...]
    active_mw: int
    reactive_mvar: int
    apparent_mva: int
    factor_per_mille: int


def measure(meter: Meter, at_ms: int) -> Measures:
    """Measure at `at_ms`; the voltage stands before the relay and stays when it is open."""
    spec = meter.spec
    active_mw = meter.power_mw(at_ms)
    factor = 880 + mix(spec.wiring_key) % 115 if active_mw else 1000
    apparent_mva = active_mw * 1000 // factor
    voltages = tuple(_voltage_dv(spec.wiring_key, phase, at_ms) for phase in range(spec.phases))
    return Measures(
        voltages_dv=voltages,
        currents_ma=tuple(apparent_mva * 10 // (spec.phases * voltage) for voltage in voltages),
        active_mw=active_mw,
        reactive_mvar=isqrt(apparent_mva**2 - active_mw**2),
        apparent_mva=apparent_mva,
        factor_per_mille=factor,
    )


def _voltage_dv(key: int, phase: int, at_ms: int) -> int:
    """Wander within 5 V of the nominal voltage, anew each minute."""
    return _NOMINAL_DV - 50 + key_of(key, phase, at_ms // _MINUTE_MS) % 101
