"""What a DDSY1352 (single-phase) or DTSY1352 (three-phase) answers: its Modbus words at one time.

    0000  total energy, u32, 0.01 kWh      000B  voltage, 0.1 V         0037  PT ratio
    0002  sharp, 0004 peak, 0006 flat,     000C  current, 0.01 A        0038  CT ratio
    0008  valley energy, as 0000           000D  active power, W        0043  meter number, 3 words BCD
    000A  code                             000E  reactive, var          0057  1 forced, 0 automatic
                                           000F  apparent, VA           0058  1 trip, 0 close
                                           0010  power factor, 0.001

The meter has one rate, so all energy stands in the flat register. The single-phase map is public; the
three-phase one is public for the energy and the forced control only, and here gives phase A's voltage and
current in the single-phase meter's places. Words in between read 0.
"""

from dataclasses import replace

from infra.fleet.meter import DISPLAY_STEP_WH, Control, Meter
from infra.fleet.wiring import measure

WORD_COUNT = 0x62
"""Words 0000 to 0061 exist."""
CONTROL_WORD = 0x57
CONTROL_WORDS = 2

_TOTAL = 0x00
_FLAT = 0x06
_ENERGY_END = 0x0A
_CODE = 0x0A
_MEASURES = 0x0B
_MEASURES_END = 0x11
_RATIOS = 0x37
_NUMBER = 0x43


class ControlValueError(ValueError):
    """A value other than 0 and 1 was written to a control word."""


def words(meter: Meter, at_ms: int, *, first: int, count: int) -> list[int]:
    """Give `count` words from `first` on as they read at `at_ms`; both lie within `WORD_COUNT`."""
    found: dict[int, int] = {}
    if first < _ENERGY_END:
        energy = meter.shown_wh(at_ms) // DISPLAY_STEP_WH
        for place in (_TOTAL, _FLAT):
            found[place] = energy >> 16 & 0xFFFF
            found[place + 1] = energy & 0xFFFF
    if first < _MEASURES_END and first + count > _MEASURES:
        found.update(enumerate(_measures(meter, at_ms), _MEASURES))
    number = meter.spec.address.zfill(12)
    found[_CODE] = int(number[-4:])
    found[_RATIOS] = 1
    found[_RATIOS + 1] = meter.spec.ratio
    for index in range(3):
        found[_NUMBER + index] = int(number[4 * index : 4 * index + 4], 16)
    control = meter.control
    found[CONTROL_WORD] = int(control.forced)
    found[CONTROL_WORD + 1] = int(control.trip_ordered)
    return [found.get(place, 0) for place in range(first, first + count)]


def control_after(control: Control, *, first: int, values: list[int]) -> Control:
    """Tell what writing `values` to the control words from `first` on makes of a control.

    Forced, the relay follows the order; automatic, the meter decides itself and, its credit being the
    platform's, keeps the relay closed.

    Raises:
        ControlValueError: A value is neither 0 nor 1; nothing is to be changed.
    """
    for place, value in enumerate(values, first):
        if value not in (0, 1):
            raise ControlValueError(f"word {place:04X} takes 0 or 1, not {value}")
        if place == CONTROL_WORD:
            control = replace(control, forced=bool(value))
        else:
            control = replace(control, trip_ordered=bool(value))
    return replace(control, is_open=control.forced and control.trip_ordered)


def _measures(meter: Meter, at_ms: int) -> tuple[int, ...]:
    found = measure(meter, at_ms)
    return (
        found.voltages_dv[0],
        min(found.currents_ma[0] // 10, 0xFFFF),
        min(found.active_mw // 1000, 0x7FFF),
        min(found.reactive_mvar // 1000, 0x7FFF),
        min(found.apparent_mva // 1000, 0xFFFF),
        found.factor_per_mille,
    )
