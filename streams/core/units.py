"""Quantities and money as whole numbers, and their exact way from text and back.

Energy is whole Wh, volume whole litres (both "milli-units": 1/1000 kWh, 1/1000 m³), money whole nano-yuan. A price
of 1 micro-yuan per kWh is 1 nano-yuan per Wh, so quantity times price is an amount without any rounding.
"""

import re
from typing import NamedTuple

NANO_PER_YUAN = 1_000_000_000
NANO_PER_CENT = NANO_PER_YUAN // 100
MILLI_PER_UNIT = 1_000
UNITS_LIMIT = 1_000_000_000
"""Every decimal of the language is below this (P6)."""
REGISTER_LIMIT = UNITS_LIMIT * MILLI_PER_UNIT
MONEY_MAX = 2**63 - 1
"""A balance is held in 64 bits; what would leave them is refused."""

_DIGITS_MAX = 40
_DECIMAL = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?")


class Quantity(NamedTuple):
    """A decimal by its value: `mantissa` / 10 ** `places`, without trailing zeros (so equal values are equal)."""

    mantissa: int
    places: int

    def scaled(self, places: int) -> int | None:
        """The whole number of 10 ** -places; None where the value is finer or 10^9 or more (P6).

        >>> Quantity(125, 1).scaled(3)
        12500
        """
        if self.places > places:
            return None
        whole = int(self.mantissa * 10 ** (places - self.places))
        return whole if abs(whole) < UNITS_LIMIT * 10**places else None


def money_nano(amount: Quantity) -> int | None:
    """Nano-yuan of an amount with at most two decimals; None where it is finer or too large."""
    cents = amount.scaled(2)
    return None if cents is None else cents * NANO_PER_CENT


def parse_decimal(text: str) -> Quantity | None:
    """The decimal that a text spells, `-?digits[.digits]`; None where it spells none.

    >>> parse_decimal("-003.50")
    Quantity(mantissa=-35, places=1)
    """
    match = _DECIMAL.fullmatch(text)
    if match is None:
        return None
    sign, whole, fraction = match.groups()
    fraction = (fraction or "").rstrip("0")
    whole = whole.lstrip("0")
    if len(whole) + len(fraction) > _DIGITS_MAX:
        # Too large or too fine for anything; reckoning with its thousands of digits would only take time.
        return Quantity(10**_DIGITS_MAX, 0) if whole else Quantity(1, len(fraction))
    mantissa = int(whole + fraction or "0")
    return Quantity(-mantissa if sign else mantissa, len(fraction))


def format_scaled(value: int, places: int) -> str:
    """The exact decimal of `value` / 10 ** `places`, without trailing zeros.

    >>> format_scaled(12_345_000_000, 9), format_scaled(-500, 3), format_scaled(0, 9)
    ('12.345', '-0.5', '0')
    """
    whole, fraction = divmod(abs(value), 10**places)
    tail = f".{fraction:0{places}d}".rstrip("0").rstrip(".") if fraction else ""
    return f"{'-' if value < 0 else ''}{whole}{tail}"


def format_money(nano: int) -> str:
    """Nano-yuan as exact decimal yuan."""
    return format_scaled(nano, 9)


def format_quantity(milli: int) -> str:
    """Wh or litres as exact decimal kWh or m³."""
    return format_scaled(milli, 3)
