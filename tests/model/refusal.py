"""Refusals, and the checks of values that several orders share (P6, P7, P32)."""

from fractions import Fraction

LIMIT = 10**9
"""A decimal of this size or more is refused, whatever it stands for and whichever its sign."""
MONEY_DECIMALS = 2
QUANTITY_DECIMALS = 3
PRICE_DECIMALS = 6
NANO = 10**9

SMALLEST_BALANCE = -(2**63)
LARGEST_BALANCE = 2**63 - 1


class Refused(Exception):
    """The line is refused; raised before anything is changed."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def refuse_if(condition: bool, reason: str) -> None:
    """Raise `Refused` when the condition holds."""
    if condition:
        raise Refused(reason)


def scaled(value: Fraction, decimals: int, scale: int) -> int:
    """Turn a decimal into whole units of 10^-`scale`.

    Raises:
        Refused: `invalid`, for more than `decimals` decimals or 10^9 and more.
    """
    refuse_if(abs(value) >= LIMIT, "invalid")
    refuse_if((value * 10**decimals).denominator != 1, "invalid")
    return int(value * 10**scale)


def money(value: Fraction) -> int:
    """Nano-yuan of an amount with at most 2 decimals."""
    return scaled(value, MONEY_DECIMALS, 9)


def quantity(value: Fraction) -> int:
    """Wh of kWh, litres of m³, or the same per hour."""
    return scaled(value, QUANTITY_DECIMALS, 3)


def price(value: Fraction) -> int:
    """Nano-yuan per Wh or litre of yuan per kWh or m³: 10^9 / 10^3 = 10^6."""
    nano_per_unit = scaled(value, PRICE_DECIMALS, 6)
    refuse_if(nano_per_unit < 0, "invalid")
    return nano_per_unit
