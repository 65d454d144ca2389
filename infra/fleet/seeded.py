"""Seeded choices that are the same on every machine and every Python version.

`random.Random` promises a stable stream only for `random()` itself; the property group must look the same
after an upgrade, or registers of a kept data directory would jump. SplitMix64 is short and public domain.
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")

_MASK = (1 << 64) - 1
_GAMMA = 0x9E3779B97F4A7C15
_MIX_1 = 0xBF58476D1CE4E5B9
_MIX_2 = 0x94D049BB133111EB


def mix(value: int) -> int:
    """Scramble 64 bits (the output function of SplitMix64).

    >>> hex(mix(1))
    '0x5692161d100b05e5'
    """
    value &= _MASK
    value = ((value ^ (value >> 30)) * _MIX_1) & _MASK
    value = ((value ^ (value >> 27)) * _MIX_2) & _MASK
    return value ^ (value >> 31)


def key_of(*parts: int | str) -> int:
    """Fold a path such as `(seed, "meter", 7)` into one 64-bit key."""
    key = 0
    for part in parts:
        numbers = [part] if isinstance(part, int) else list(part.encode())
        for number in numbers:
            key = mix(key + _GAMMA + (number & _MASK))
    return key


def numbers(key: int, count: int) -> NDArray[np.uint64]:
    """Give the first `count` numbers of the SplitMix64 stream that starts at `key`."""
    steps = np.arange(1, count + 1, dtype=np.uint64)
    z = np.uint64(key & _MASK) + steps * np.uint64(_GAMMA)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(_MIX_1)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(_MIX_2)
    return z ^ (z >> np.uint64(31))


class Seeded:
    """A stream of choices that depends on its key alone."""

    def __init__(self, *path: int | str) -> None:
        self._state = key_of(*path)

    def next(self) -> int:
        """Draw 64 bits."""
        self._state = (self._state + _GAMMA) & _MASK
        return mix(self._state)

    def below(self, limit: int) -> int:
        """Draw a whole number in [0, limit); the modulus favours low ones by less than limit / 2^64."""
        if limit < 1:
            raise ValueError(f"limit must be at least 1, not {limit}")
        return self.next() % limit

    def between(self, low: int, high: int) -> int:
        """Draw a whole number in [low, high], both included."""
        return low + self.below(high - low + 1)

    def skewed(self, low: int, high: int) -> int:
        """Draw in [low, high], most values near `low`, as consumption is spread among tenants."""
        share = self.below(1 << 20) * self.below(1 << 20) >> 20
        return low + (share * (high - low + 1) >> 20)

    def pick(self, choices: Sequence[T]) -> T:
        """Draw one of the choices."""
        return choices[self.below(len(choices))]

    def weighted(self, choices: Sequence[tuple[T, int]]) -> T:
        """Draw one of the choices by their whole-number weights."""
        place = self.below(sum(weight for _, weight in choices))
        for choice, weight in choices:
            place -= weight
            if place < 0:
                return choice
        raise AssertionError("weights sum to more than was drawn")

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Give the items in a drawn order (Fisher-Yates)."""
        order = list(items)
        for index in range(len(order) - 1, 0, -1):
            other = self.below(index + 1)
            order[index], order[other] = order[other], order[index]
        return order
