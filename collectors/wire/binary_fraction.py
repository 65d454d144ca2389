"""Registers that meters send as binary fractions of 32 bits (IEEE 754), as whole counts."""

from collectors.wire.errors import FrameError

HIGHEST = 1 << 52
"""Counts from which on a register is nonsense: a fraction of 32 bits is exact to a count only far below it."""
_FRACTION_BITS = 23
_BIAS = 127


def counts_of(raw: int, counts: int) -> int:
    """The whole number next to a fraction times `counts`, a half rounded up.

    Args:
        raw: The 32 bits.
        counts: What 1.0 stands for.
    Raises:
        FrameError: It is negative, infinite, no number or too large.

    >>> counts_of(0x42C90000, 100), counts_of(0x3DCCCCCD, 100)
    (10050, 10)
    """
    exponent, fraction = raw >> _FRACTION_BITS & 0xFF, raw & (1 << _FRACTION_BITS) - 1
    if raw >> 31 and (exponent or fraction):
        raise FrameError(0, "the register is negative")
    if exponent == 0xFF:
        raise FrameError(0, "the register is no number")
    whole = fraction | (1 << _FRACTION_BITS if exponent else 0)
    shift = max(exponent, 1) - _BIAS - _FRACTION_BITS
    scaled = whole * counts
    found = scaled << shift if shift >= 0 else (scaled + (1 << -shift - 1)) >> -shift
    if found >= HIGHEST:
        raise FrameError(0, "the register is too large")
    return found
