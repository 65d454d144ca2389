"""What a reading tells beside its register: credit in the meter itself, registers for each band, conditions."""

from dataclasses import dataclass

from streams.core.units import NANO_PER_YUAN, UNITS_LIMIT

INT64_MAX = (1 << 63) - 1
UNTOLD = -(1 << 63)
"""In a column of readings: the line says nothing of it."""
UNSOUND = UNTOLD + 1
"""In a column of readings: the line says what cannot be."""
REMAINING_LIMIT = UNITS_LIMIT * NANO_PER_YUAN
COUNT_LIMIT = UNITS_LIMIT
BANDS_MAX = 8
"""The most band registers of a meter."""


@dataclass(frozen=True, slots=True)
class Told:
    """Credit in nano-yuan and the recharge count, band registers in Wh by their places; `UNTOLD` where it does not.

    `conditions` are bits and `events` counts as `ReadingBatch` has them; no events are told where there are none.
    """

    remaining: int = UNTOLD
    count: int = UNTOLD
    bands: tuple[int, ...] = ()
    conditions: int = UNTOLD
    events: tuple[int, ...] = ()

    @property
    def is_credit_sound(self) -> bool:
        """Whether what is told of credit can be."""
        remaining = self.remaining == UNTOLD or abs(self.remaining) < REMAINING_LIMIT
        return remaining and (self.count == UNTOLD or 0 <= self.count < COUNT_LIMIT)
