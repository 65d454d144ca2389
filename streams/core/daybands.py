"""The bands of a local day: which is in force in each minute, and how long it goes on."""

from collections.abc import Sequence
from typing import NamedTuple

from streams.core.localtime import DAY_MS, FAR_AHEAD_MS, MINUTE_MS, MINUTES_A_DAY, OFFSET_MS, MinuteRange

Bands = tuple[tuple[str, tuple[MinuteRange, ...]], ...]
"""Names with their daily ranges; the one without ranges is the rest of the day."""


class DayBands(NamedTuple):
    """By minute of the day: the band's code, and in how many minutes it changes (far ahead if it never does)."""

    code: tuple[int, ...]
    minutes_left: tuple[int, ...]

    def end(self, at: int) -> int:
        """When the band of an instant changes, as long as days like this one follow each other."""
        of_day = (at + OFFSET_MS) % DAY_MS
        return at - of_day % MINUTE_MS + self.minutes_left[of_day // MINUTE_MS] * MINUTE_MS


def day_bands(bands: Bands, names: Sequence[str]) -> DayBands:
    """The minutes of a day with these bands; a band's code is its place among the names."""
    codes = [names.index(next(name for name, ranges in bands if not ranges))] * MINUTES_A_DAY
    for name, ranges in bands:
        for start, end in ranges:
            for minute in range(start, end if start < end else end + MINUTES_A_DAY):
                codes[minute % MINUTES_A_DAY] = names.index(name)
    return DayBands(tuple(codes), _minutes_left(codes))


def _minutes_left(codes: Sequence[int]) -> tuple[int, ...]:
    if len(set(codes)) == 1:
        return (FAR_AHEAD_MS // MINUTE_MS // 4,) * MINUTES_A_DAY
    left = [0] * MINUTES_A_DAY
    # Two turns backwards, so that a band that wraps midnight counts on into the next day.
    for minute in range(2 * MINUTES_A_DAY - 1, -1, -1):
        here, after = minute % MINUTES_A_DAY, (minute + 1) % MINUTES_A_DAY
        left[here] = left[after] + 1 if codes[here] == codes[after] else 1
    return tuple(left)


def are_sound(bands: Bands) -> bool:
    """Whether exactly one band is the rest, no range is empty and no minute lies in two of them (P12)."""
    taken = bytearray(MINUTES_A_DAY)
    for _, ranges in bands:
        for start, end in ranges:
            if start == end:
                return False
            for minute in range(start, end if start < end else end + MINUTES_A_DAY):
                if taken[minute % MINUTES_A_DAY]:
                    return False
                taken[minute % MINUTES_A_DAY] = 1
    return sum(not ranges for _, ranges in bands) == 1
