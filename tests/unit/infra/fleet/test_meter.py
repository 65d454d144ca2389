from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.fleet.load import ConstantLoad, ShapeLoad
from infra.fleet.meter import Control, ControlChange, Meter
from infra.fleet.profile import Shape

from .samples import HOUR_MS, ORIGIN_MS, meter_of, spec_of

OPEN = Control(is_open=True, trip_ordered=True)
CLOSED = Control()


def apply(meter: Meter, control: Control, at_ms: int) -> ControlChange | None:
    change = meter.change_to(control, at_ms=at_ms)
    if change is not None:
        meter.apply(change)
    return change


def test_register_is_the_integral_of_the_load() -> None:
    meter = meter_of(load=ConstantLoad(3_000))
    assert meter.register_wh(ORIGIN_MS) == 1_234_560
    assert meter.register_wh(ORIGIN_MS + HOUR_MS) == 1_237_560
    assert meter.register_wh(ORIGIN_MS + 1199) == 1_234_560
    assert meter.register_wh(ORIGIN_MS + 1200) == 1_234_561


def test_before_the_installation_it_stands_at_the_initial_register() -> None:
    assert meter_of().register_wh(ORIGIN_MS - HOUR_MS) == 1_234_560


def test_frames_show_whole_steps_of_10_wh() -> None:
    meter = meter_of(load=ConstantLoad(3_000))
    assert meter.shown_wh(ORIGIN_MS + 11_999) == 1_234_560
    assert meter.shown_wh(ORIGIN_MS + 12_000) == 1_234_570


def test_a_transformer_makes_the_register_count_a_part() -> None:
    meter = meter_of(load=ConstantLoad(40_000), ratio=40)
    assert meter.register_wh(ORIGIN_MS + HOUR_MS) == 1_235_560
    assert meter.power_mw(ORIGIN_MS) == 1_000_000


def test_nothing_is_drawn_while_the_relay_is_open() -> None:
    meter = meter_of(load=ConstantLoad(3_000))
    apply(meter, OPEN, ORIGIN_MS + HOUR_MS)
    for hours in range(1, 50):
        assert meter.register_wh(ORIGIN_MS + hours * HOUR_MS) == 1_237_560
    assert meter.power_mw(ORIGIN_MS + 2 * HOUR_MS) == 0
    apply(meter, CLOSED, ORIGIN_MS + 50 * HOUR_MS)
    assert meter.register_wh(ORIGIN_MS + 51 * HOUR_MS) == 1_240_560
    assert (meter.trips, meter.closes) == (1, 1)


def test_the_past_stays_as_it_was() -> None:
    meter = meter_of(load=ConstantLoad(3_000))
    apply(meter, OPEN, ORIGIN_MS + 2 * HOUR_MS)
    apply(meter, CLOSED, ORIGIN_MS + 5 * HOUR_MS)
    assert meter.register_wh(ORIGIN_MS + HOUR_MS) == 1_237_560
    assert meter.register_wh(ORIGIN_MS + 3 * HOUR_MS) == 1_240_560
    assert [meter.is_open(ORIGIN_MS + hours * HOUR_MS) for hours in (1, 2, 4, 5)] == [False, True, True, False]
    assert meter.opened_at_ms(ORIGIN_MS + 4 * HOUR_MS) == ORIGIN_MS + 2 * HOUR_MS
    assert meter.opened_at_ms(ORIGIN_MS + 6 * HOUR_MS) is None


def test_opened_at_is_when_it_opened_not_when_the_control_last_changed() -> None:
    meter = meter_of()
    apply(meter, OPEN, ORIGIN_MS + HOUR_MS)
    apply(meter, replace(OPEN, forced=True), ORIGIN_MS + 2 * HOUR_MS)
    assert meter.opened_at_ms(ORIGIN_MS + 3 * HOUR_MS) == ORIGIN_MS + HOUR_MS
    assert meter.trips == 1


def test_a_control_in_force_is_no_change() -> None:
    meter = meter_of()
    assert meter.change_to(CLOSED, at_ms=ORIGIN_MS + 1) is None
    assert meter.history() == ()


def test_time_never_goes_back_in_the_history() -> None:
    meter = meter_of()
    apply(meter, OPEN, ORIGIN_MS + HOUR_MS)
    change = meter.change_to(CLOSED, at_ms=ORIGIN_MS)
    assert change == ControlChange(ORIGIN_MS + HOUR_MS, CLOSED)
    with pytest.raises(ValueError, match="comes after"):
        meter.apply(ControlChange(ORIGIN_MS, CLOSED))


def test_an_initial_register_between_steps_is_refused() -> None:
    with pytest.raises(ValueError, match="initial_wh"):
        meter_of(initial_wh=5)


@given(
    gaps=st.lists(st.integers(0, 20 * HOUR_MS), max_size=12),
    probes=st.lists(st.integers(-HOUR_MS, 300 * HOUR_MS), min_size=2, max_size=30),
)
def test_registers_are_deterministic_and_never_fall(gaps: list[int], probes: list[int]) -> None:
    load = ShapeLoad(Shape.OFFICE, yearly_wh=25_000_000, key=3, spread_per_mille=150)
    meter = meter_of(load=load, ratio=7)
    at_ms = ORIGIN_MS
    for index, gap in enumerate(gaps):
        at_ms += gap
        apply(meter, CLOSED if index % 2 else OPEN, at_ms)
    restarted = Meter(spec_of(load=load, ratio=7))
    for change in meter.history():
        restarted.apply(change)
    times = sorted(ORIGIN_MS + probe for probe in probes)
    registers = [meter.register_wh(time) for time in times]
    assert registers == sorted(registers)
    assert registers == [restarted.register_wh(time) for time in times]
    for change, following in pairwise(meter.history()):
        if change.control.is_open:
            assert meter.register_wh(change.at_ms) == meter.register_wh(following.at_ms)
