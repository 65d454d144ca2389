"""Money and quantities as texts, exactly, and the rounding of printed columns that still add up.

Inside, money is whole nano-yuan and a quantity whole Wh or litres; nothing here is a float.
"""

from collections.abc import Sequence
from typing import Final

NANO_PER_CENT: Final = 10_000_000


def cents(nano: int) -> int:
    """The cents of an amount, rounded to the nearest and halves up.

    Halves go up, not to the even cent: only then is `cents(balance + whole cents)` the same as `cents(balance)` and
    those cents, so that a balance which moved by a recharge alone never shows a deduction of a cent.

    >>> cents(5_000_000), cents(15_000_000), cents(-5_000_000), cents(-5_000_001)
    (1, 2, 0, -1)
    """
    return (nano + NANO_PER_CENT // 2) // NANO_PER_CENT


def share_cents(total: int, parts: Sequence[int]) -> list[int]:
    """Cents of parts that add up to the cents of their total, where they can each part rounded down or up.

    Args:
        total: Cents, 0 or more; mostly between the sum of all parts rounded down and that of all rounded up. It is
            not where a total was rounded in several pieces, and a part lies in two of them.
        parts: Nano-yuan, 0 or more. Those with the largest rests are rounded up; of equal ones the first. What is
            still missing is shared by all, and what is too much the largest give.

    >>> share_cents(3, [14_000_000, 13_000_000, 3_000_000])
    [2, 1, 0]
    >>> share_cents(1, [10_000_000, 10_000_000]), share_cents(4, [10_000_000, 10_000_000])
    ([0, 1], [2, 2])
    """
    shares = [part // NANO_PER_CENT for part in parts]
    missing = total - sum(shares)
    largest = sorted(range(len(parts)), key=lambda index: -(parts[index] % NANO_PER_CENT))
    for number in range(missing):
        shares[largest[number % len(largest)]] += 1
    for _ in range(-missing):
        shares[shares.index(max(shares))] -= 1
    return shares


def yuan(nano: int) -> str:
    """An amount in yuan with all its digits, two at least behind the point.

    >>> yuan(1_230_000_000), yuan(-1), yuan(0)
    ('1.23', '-0.000000001', '0.00')
    """
    whole, rest = divmod(abs(nano), 10**9)
    digits = f"{rest:09d}"
    return f"{'-' if nano < 0 else ''}{whole}.{digits[:2]}{digits[2:].rstrip('0')}"


def yuan_of_cents(amount: int) -> str:
    """An amount of cents in yuan.

    >>> yuan_of_cents(-5)
    '-0.05'
    """
    return f"{'-' if amount < 0 else ''}{abs(amount) // 100}.{abs(amount) % 100:02d}"


def units(milli: int) -> str:
    """A quantity in kWh or m³, three digits behind the point: all there are.

    >>> units(1_234_567), units(-1)
    ('1234.567', '-0.001')
    """
    return f"{'-' if milli < 0 else ''}{abs(milli) // 1000}.{abs(milli) % 1000:03d}"
