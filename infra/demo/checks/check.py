"""The result of a check."""

from collections.abc import Iterable
from dataclasses import dataclass

from streams.core.units import NANO_PER_YUAN

_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Check:
    """Whether something holds, and what was found, in words for people."""

    name: str
    held: bool
    found: str


def examples(faults: Iterable[object]) -> str:
    """The first of many faults, in words.

    >>> examples([1, 2, 3, 4, 5])
    '1, 2, 3 and 2 more'
    """
    listed = [str(fault) for fault in faults]
    more = len(listed) - _EXAMPLES
    return ", ".join(listed[:_EXAMPLES]) + (f" and {more:,} more" if more > 0 else "")


def yuan(nano: int) -> str:
    """Money to the last digit, in groups of thousands.

    >>> yuan(-1_234_500_000_001)
    '-1,234.500000001'
    """
    whole, fraction = divmod(abs(nano), NANO_PER_YUAN)
    return f"{'-' if nano < 0 else ''}{whole:,}.{fraction:09d}"
