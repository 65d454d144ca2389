"""Sums and products of whole numbers that are never wrong: by int64 as long as nothing can overflow, by Python's
integers, which are slower, where it could."""

from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Integers: TypeAlias = NDArray[Any]
"""Whole numbers: int64 within `BOUND`, or Python's integers (dtype object)."""

BOUND: Final = 1 << 58
"""Sums of up to 16 columns within it fit int64."""
_HALF: Final = 32
_LOW: Final = (1 << _HALF) - 1


def exact(values: Integers) -> Integers:
    """The same numbers as int64, if they are within the bound, and else as Python's integers."""
    if values.dtype != object:
        return values if _largest(values) < BOUND else values.astype(object)
    return values.astype(np.int64) if _largest(values) < BOUND else values


def product(left: Integers, right: Integers) -> Integers:
    """Number by number."""
    if _largest(left) * _largest(right) < BOUND:
        return left * right
    return exact(left.astype(object) * right.astype(object))


def exact_sum(values: Integers) -> int:
    """The sum of all.

    >>> exact_sum(np.array([2**62, 2**62, -1]))
    9223372036854775807
    """
    if values.dtype == object:
        return sum(values)
    return (int((values >> _HALF).sum()) << _HALF) + int((values & _LOW).sum())


def sums(values: Integers, group: NDArray[np.int64], groups: int) -> Integers:
    """The sum of each group.

    >>> sums(np.array([1, 2**62, 2**62]), np.array([0, 1, 1]), 2)
    array([1, 9223372036854775808], dtype=object)
    """
    if values.dtype == object:
        found = np.full(groups, 0, object)
        np.add.at(found, group, values)
        return exact(found)
    # By halves, of which two thousand million fit.
    high, low = np.zeros(groups, np.int64), np.zeros(groups, np.int64)
    np.add.at(high, group, values >> _HALF)
    np.add.at(low, group, values & _LOW)
    high += low >> _HALF
    low &= _LOW
    if _largest(high) < BOUND >> _HALF:
        return (high << _HALF) + low
    return high.astype(object) * (1 << _HALF) + low


def _largest(values: Integers) -> int:
    """The largest, without its sign."""
    return max(-int(values.min()), int(values.max())) if len(values) else 0
