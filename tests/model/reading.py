"""What a reading is judged to be, before anything is changed (Consumption, P18 to P21)."""

from dataclasses import dataclass
from fractions import Fraction

from tests.model.meter import Held, Interval, Meter
from tests.model.refusal import refuse_if


@dataclass(frozen=True)
class Ignored:
    """Same or older time than the accepted reading, or the time of the held one: only a flag."""

    flag: str


@dataclass(frozen=True)
class Alarming:
    """Charged nothing: a flag and an alarm. `held` waits from now on, in place of what was held before."""

    flag: str
    held: Held | None


@dataclass(frozen=True)
class Accepted:
    """The new accepted register, and the interval that it ends."""

    register: int
    interval: Interval
    is_rollover: bool
    bands: dict[str, int] | None = None
    """What the band registers show, where they say how the interval is shared out."""


def is_newer(meter: Meter, time: int) -> bool:
    """Whether a reading of that time is newer than what is known of its meter, before it is judged (P27)."""
    return time > meter.accepted_at and (meter.held is None or time != meter.held.time)


def judge_reading(meter: Meter, register: int, time: int) -> Ignored | Alarming | Accepted:
    """Say what a reading of a meter in use is, in the order of P18 from the accepted `read_at` on."""
    if time < meter.accepted_at:
        return Ignored("late")
    if time == meter.accepted_at:
        return Ignored("duplicate" if register == meter.register else "conflict")
    if meter.held is not None and time == meter.held.time:
        return Ignored("duplicate" if register == meter.held.register else "conflict")
    if meter.held is not None and _confirms(meter, meter.held, register, time):
        since_held = (register - meter.held.register) * meter.device.ratio
        consumption = meter.held.consumption + since_held
        interval = Interval.unpriced_over(meter.accepted_at, time, consumption)
        return Accepted(register, interval, meter.held.is_rollover)
    accepted = _from_accepted(meter, register, time)
    if accepted is None:
        return Alarming("backwards", held=None)
    consumption = accepted.interval.consumption
    if not meter.device.is_plausible(consumption, time - meter.accepted_at):
        return Alarming("implausible", Held(register, time, consumption, accepted.is_rollover))
    return accepted


def judge_final(meter: Meter, value: Fraction, now: int) -> Accepted:
    """Take a final register as true, at `now` or at the accepted time if that is later.

    Raises:
        Refused: `invalid`, when the register cannot be this meter's or went backwards.
    """
    register = meter.device.take_register(value)
    accepted = _from_accepted(meter, register, max(now, meter.accepted_at))
    refuse_if(accepted is None, "invalid")
    assert accepted is not None
    return accepted


def _confirms(meter: Meter, held: Held, register: int, time: int) -> bool:
    if time <= held.time or register < held.register:
        return False
    return meter.device.is_plausible((register - held.register) * meter.device.ratio, time - held.time)


def _from_accepted(meter: Meter, register: int, time: int) -> Accepted | None:
    """The interval from the accepted value; None when the register went backwards."""
    difference = register - meter.register
    is_rollover = False
    if difference < 0:
        if not meter.device.rolls_over(meter.register, register):
            return None
        assert meter.device.wrap is not None
        difference += meter.device.wrap
        is_rollover = True
    consumption = difference * meter.device.ratio
    return Accepted(register, Interval.unpriced_over(meter.accepted_at, time, consumption), is_rollover)
