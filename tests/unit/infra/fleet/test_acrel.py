import pytest

from infra.fleet.acrel import WORD_COUNT, ControlValueError, control_after, words
from infra.fleet.load import ConstantLoad
from infra.fleet.meter import Control, ControlChange

from .samples import HOUR_MS, ORIGIN_MS, meter_of


def test_energy_is_u32_of_hundredths_of_a_kwh_high_word_first() -> None:
    meter = meter_of(initial_wh=12_345_670)
    assert words(meter, ORIGIN_MS, first=0, count=10) == [18, 54919, 0, 0, 0, 0, 18, 54919, 0, 0]


def test_a_read_may_begin_in_the_middle_of_a_value() -> None:
    meter = meter_of(initial_wh=12_345_670)
    assert words(meter, ORIGIN_MS, first=1, count=1) == [54919]


def test_measures_belong_together() -> None:
    meter = meter_of(load=ConstantLoad(3_000))
    voltage, current, active, reactive, apparent, factor = words(meter, ORIGIN_MS, first=0x0B, count=6)
    assert 2250 <= voltage <= 2350
    assert abs(voltage * current - apparent * 1000) < voltage
    assert active == 3000
    assert abs(active**2 + reactive**2 - apparent**2) < 4 * apparent
    assert factor == pytest.approx(1000 * active / apparent, abs=1)


def test_an_open_relay_leaves_the_voltage_only() -> None:
    meter = meter_of()
    meter.apply(ControlChange(ORIGIN_MS, Control(is_open=True, trip_ordered=True, forced=True)))
    voltage, *others = words(meter, ORIGIN_MS + HOUR_MS, first=0x0B, count=6)
    assert voltage > 2000
    assert others == [0, 0, 0, 0, 1000]


def test_nameplate_words() -> None:
    meter = meter_of(address="17", ratio=40)
    assert words(meter, ORIGIN_MS, first=0x0A, count=1) == [17]
    assert words(meter, ORIGIN_MS, first=0x37, count=2) == [1, 40]
    assert words(meter, ORIGIN_MS, first=0x43, count=3) == [0, 0, 0x17]


def test_the_whole_map_can_be_read_at_once() -> None:
    found = words(meter_of(), ORIGIN_MS, first=0, count=WORD_COUNT)
    assert len(found) == WORD_COUNT
    assert all(0 <= word <= 0xFFFF for word in found)


FORCED_OPEN = Control(is_open=True, trip_ordered=True, forced=True)
FORCED_CLOSED = Control(is_open=False, trip_ordered=False, forced=True)
AUTOMATIC = Control()


@pytest.mark.parametrize(
    ("before", "first", "values", "after"),
    [
        pytest.param(AUTOMATIC, 0x57, [1, 1], FORCED_OPEN, id="forced trip"),
        pytest.param(FORCED_OPEN, 0x57, [1, 0], FORCED_CLOSED, id="forced close"),
        pytest.param(FORCED_OPEN, 0x57, [0, 0], AUTOMATIC, id="back to automatic"),
        pytest.param(FORCED_OPEN, 0x57, [0, 1], Control(trip_ordered=True), id="automatic ignores the order"),
        pytest.param(FORCED_CLOSED, 0x58, [1], FORCED_OPEN, id="order alone while forced"),
        pytest.param(AUTOMATIC, 0x58, [1], Control(trip_ordered=True), id="order alone while automatic"),
        pytest.param(Control(trip_ordered=True), 0x57, [1], FORCED_OPEN, id="force alone"),
    ],
)
def test_forced_control(before: Control, first: int, values: list[int], after: Control) -> None:
    assert control_after(before, first=first, values=values) == after


@pytest.mark.parametrize("values", [[2, 0], [1, 2], [1, 0xFFFF]])
def test_a_control_word_takes_0_and_1_only(values: list[int]) -> None:
    with pytest.raises(ControlValueError):
        control_after(AUTOMATIC, first=0x57, values=values)


def test_control_words_read_back() -> None:
    meter = meter_of()
    meter.apply(ControlChange(ORIGIN_MS, FORCED_OPEN))
    assert words(meter, ORIGIN_MS, first=0x57, count=2) == [1, 1]
