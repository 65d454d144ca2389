"""A virtual meter: its register as a function of virtual time, and the relay or valve that stops it.

`register(t)` depends on the meter's load (seeded), the history of its relay, and t; on nothing else. That is
why a fleet that was killed goes on where it was: the history is all that has to be kept.

A water meter counts litres where an electricity meter counts Wh, and m3 where that counts kWh: whatever is said of
Wh holds for its litres.
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from enum import StrEnum

from infra.fleet.load import LOCAL_OFFSET_MS, Load
from infra.fleet.meter_faults import NO_FAULTS, MeterFaults
from infra.fleet.profile import DAY_MS

DISPLAY_STEP_WH = 10
"""All protocols give energy in 0.01 kWh, and volume in 0.01 m3."""


class Kind(StrEnum):
    """What a meter counts; the word in an `install_meter` order."""

    ELECTRICITY = "electricity"
    WATER = "water"


@dataclass(frozen=True, slots=True)
class Control:
    """What the meter was last told about supply, and whether its relay is open.

    Attributes:
        is_open: The relay is open, so nothing is drawn.
        trip_ordered: The last order was to trip (Modbus word 0058; DL/T645 status word 3, bit 6).
        forced: Modbus word 0057: the order overrides the meter's own (automatic) state.
        retained: DL/T645 power-keep: no trip is taken.
        is_away: The meter is not on the line: not fitted yet, or taken off for good.
    """

    is_open: bool = False
    trip_ordered: bool = False
    forced: bool = False
    retained: bool = False
    is_away: bool = False


AWAY = Control(is_open=True, is_away=True)
"""Of a meter that hangs nowhere: nothing is drawn through it, and it answers nobody."""


@dataclass(frozen=True, slots=True)
class ControlChange:
    """A control that took effect at `at_ms` (virtual)."""

    at_ms: int
    control: Control


@dataclass(frozen=True, slots=True)
class MeterSpec:
    """What a meter is and was when it was installed.

    Attributes:
        address: Decimal text: the Modbus unit, or the 12-digit number on the DL/T645 line.
        phases: 1 or 3.
        ratio: Of the current transformer: the register counts 1/ratio of the energy drawn.
        initial_wh: The register at `installed_at_ms`, a multiple of `DISPLAY_STEP_WH`.
        wiring_key: Seeds voltage and power factor.
        digits: Whole digits of the register, behind which it begins anew; None if it never gets there.
        is_spare: It lies in store at first, and takes another meter's place one day.
        faults: What is wrong with it.
    """

    meter: str
    account: str
    site: str
    gateway: str
    address: str
    template: str
    phases: int
    ratio: int
    load: Load
    initial_wh: int
    installed_at_ms: int
    wiring_key: int = 0
    kind: Kind = Kind.ELECTRICITY
    digits: int | None = None
    is_spare: bool = False
    faults: MeterFaults = NO_FAULTS


@dataclass(slots=True)
class _Span:
    """The time from a control change on: `drawn_mwh` is what was drawn from installation to its start."""

    at_ms: int
    control: Control
    drawn_mwh: int
    load_mwh: int


@dataclass(slots=True)
class Meter:
    """A meter with the spans of its control history; times given may lie in the past or ahead."""

    spec: MeterSpec
    _spans: list[_Span] = field(init=False)
    trips: int = field(init=False, default=0)
    closes: int = field(init=False, default=0)
    _clock_set: tuple[int, int] | None = field(init=False, default=None)
    """When the clock was set, and how far it was ahead then, ms."""

    def __post_init__(self) -> None:
        if self.spec.initial_wh % DISPLAY_STEP_WH:
            raise ValueError(f"initial_wh must be a multiple of {DISPLAY_STEP_WH}, not {self.spec.initial_wh}")
        start = self.spec.installed_at_ms
        first = AWAY if self.spec.is_spare else Control()
        self._spans = [_Span(start, first, 0, self.spec.load.energy_mwh(start))]

    @property
    def control(self) -> Control:
        """The control in force since the last change."""
        return self._spans[-1].control

    @property
    def changed_at_ms(self) -> int:
        """When the control in force was set; the installation at first."""
        return self._spans[-1].at_ms

    def history(self) -> tuple[ControlChange, ...]:
        """Give the changes since installation, oldest first."""
        return tuple(ControlChange(span.at_ms, span.control) for span in self._spans[1:])

    def change_to(self, control: Control, *, at_ms: int) -> ControlChange | None:
        """Tell what putting `control` in force means: at `at_ms`, or at the last change if that is later.

        Returns:
            The change, to be kept and then applied; None if this control is in force already.
        """
        if control == self.control:
            return None
        return ControlChange(max(at_ms, self.changed_at_ms), control)

    def apply(self, change: ControlChange) -> None:
        """Put a change in force; changes come in the order of their times."""
        last = self._spans[-1]
        if change.at_ms < last.at_ms:
            raise ValueError(f"a change at {change.at_ms} comes after one at {last.at_ms}")
        if change.control.is_open != last.control.is_open:
            self.trips += change.control.is_open
            self.closes += not change.control.is_open
        self._spans.append(
            _Span(
                change.at_ms,
                change.control,
                drawn_mwh=self._drawn_mwh(change.at_ms),
                load_mwh=self.spec.load.energy_mwh(change.at_ms),
            )
        )

    def register_wh(self, at_ms: int) -> int:
        """Give the register in whole Wh; before the installation it is the initial one."""
        return self.spec.initial_wh + self._drawn_mwh(at_ms) // (1000 * self.spec.ratio)

    def shown_wh(self, at_ms: int) -> int:
        """Give the register as the meter shows and sends it.

        Whole steps of 0.01 kWh, rounded down, begun anew behind the last digit; 0 while a fault makes it so.
        """
        return 0 if self.spec.faults.is_zero(at_ms) else self.display_wh(at_ms)

    def display_wh(self, at_ms: int) -> int:
        """Give what the display would show without a fault, as a fitter reads it off."""
        whole = self.register_wh(at_ms) // DISPLAY_STEP_WH * DISPLAY_STEP_WH
        return whole if self.spec.digits is None else whole % (1000 * 10**self.spec.digits)

    def counted_wh(self, at_ms: int) -> int:
        """Give what went through it since its installation, as far as its display's steps tell: what is to be paid."""
        shown = self.register_wh(at_ms) // DISPLAY_STEP_WH * DISPLAY_STEP_WH
        return (shown - self.spec.initial_wh) * self.spec.ratio

    def clock_ms(self, at_ms: int) -> int:
        """Give what the meter's own clock shows at `at_ms`, at or after it was set last."""
        since_ms, wrong_ms = self._clock_set or (self.spec.installed_at_ms, self.spec.faults.clock_wrong_ms)
        return self.spec.faults.clock_ms(at_ms, since_ms=since_ms, wrong_ms=wrong_ms)

    def was_set_on(self, at_ms: int) -> bool:
        """Tell whether the clock was set on the local day of `at_ms`."""
        day = (at_ms + LOCAL_OFFSET_MS) // DAY_MS
        return self._clock_set is not None and (self._clock_set[0] + LOCAL_OFFSET_MS) // DAY_MS == day

    def set_clock(self, shown_ms: int, *, at_ms: int) -> None:
        """Set the meter's own clock to a time; what it was set to is forgotten with the process."""
        self._clock_set = (at_ms, shown_ms - at_ms)

    def power_mw(self, at_ms: int) -> int:
        """Give the power that the meter measures (behind the transformer); 0 while the relay is open."""
        if self._span(at_ms).control.is_open:
            return 0
        return self.spec.load.power_mw(at_ms) // self.spec.ratio

    def is_open(self, at_ms: int) -> bool:
        """Tell whether the relay is open at `at_ms`."""
        return self._span(at_ms).control.is_open

    def is_away(self, at_ms: int) -> bool:
        """Tell whether the meter hangs nowhere at `at_ms`."""
        return self._span(at_ms).control.is_away

    def opened_at_ms(self, at_ms: int) -> int | None:
        """Tell since when the relay is open at `at_ms`; None if it is closed then."""
        opened = None
        for span in self._spans:
            if span.at_ms > at_ms:
                break
            if not span.control.is_open:
                opened = None
            elif opened is None:
                opened = span.at_ms
        return opened

    def _drawn_mwh(self, at_ms: int) -> int:
        span = self._span(at_ms)
        if span.control.is_open or at_ms <= span.at_ms:
            return span.drawn_mwh
        return span.drawn_mwh + self.spec.load.energy_mwh(at_ms) - span.load_mwh

    def _span(self, at_ms: int) -> _Span:
        last = self._spans[-1]
        if at_ms >= last.at_ms:
            return last
        return self._spans[max(0, bisect_right(self._spans, at_ms, key=lambda span: span.at_ms) - 1)]
