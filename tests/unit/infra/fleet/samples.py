"""Meters to test with."""

from infra.fleet.load import ConstantLoad, Load
from infra.fleet.meter import Meter, MeterSpec

ORIGIN_MS = 1_772_409_600_000
"""2026-03-02T08:00:00+08:00, a Monday."""
MINUTE_MS = 60_000
HOUR_MS = 3_600_000


def spec_of(
    *,
    load: Load | None = None,
    template: str = "ddsy1352",
    address: str = "17",
    phases: int = 1,
    ratio: int = 1,
    initial_wh: int = 1_234_560,
) -> MeterSpec:
    return MeterSpec(
        meter="S1-M0001",
        account="S1-A0001",
        site="S1",
        gateway="S1-G01",
        address=address,
        template=template,
        phases=phases,
        ratio=ratio,
        load=load or ConstantLoad(3_000),
        initial_wh=initial_wh,
        installed_at_ms=ORIGIN_MS,
        wiring_key=7,
    )


def meter_of(
    *,
    load: Load | None = None,
    template: str = "ddsy1352",
    address: str = "17",
    phases: int = 1,
    ratio: int = 1,
    initial_wh: int = 1_234_560,
) -> Meter:
    return Meter(
        spec_of(load=load, template=template, address=address, phases=phases, ratio=ratio, initial_wh=initial_wh)
    )
