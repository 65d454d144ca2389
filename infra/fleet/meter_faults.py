"""What is wrong with a meter or a clock, as an exact function of its seed and of virtual time."""

from dataclasses import dataclass

from infra.fleet.seeded import key_of

_HOUR_MS = 3_600_000
_MINUTE_MS = 60_000
_ZERO_MINUTES = 10
_ZERO_SHARE = 3
"""In one of so many hours a register is zero for a while."""
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class MeterFaults:
    """The faults of one meter.

    Attributes:
        zero_key: Seeds the minutes in which its register reads 0, as after a power failure; None for never.
        zero_until_ms: From then on it never does.
        clock_ppm: How much its clock gains, in millionths; it loses if negative.
        clock_wrong_ms: How much it is ahead from the first; behind if negative.
    """

    zero_key: int | None = None
    zero_until_ms: int | None = None
    clock_ppm: int = 0
    clock_wrong_ms: int = 0

    def is_zero(self, at_ms: int) -> bool:
        """Whether the register reads 0 at this time, whatever went through the meter."""
        if self.zero_key is None or (self.zero_until_ms is not None and at_ms >= self.zero_until_ms):
            return False
        hour, in_hour_ms = divmod(at_ms, _HOUR_MS)
        draw = key_of(self.zero_key, hour)
        begin = draw // _ZERO_SHARE % (60 - _ZERO_MINUTES)
        return draw % _ZERO_SHARE == 0 and begin <= in_hour_ms // _MINUTE_MS < begin + _ZERO_MINUTES

    def clock_ms(self, at_ms: int, *, since_ms: int, wrong_ms: int) -> int:
        """What a clock that was ahead by `wrong_ms` at `since_ms` shows at `at_ms`."""
        return at_ms + wrong_ms + (at_ms - since_ms) * self.clock_ppm // _MILLION


NO_FAULTS = MeterFaults()
