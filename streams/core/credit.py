"""Credit that a meter holds itself: what it told last, and the sales that it has not taken yet.

State is a value a meter, replaced whole, with a page of its own.
"""

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from typing import Any

from streams.core.told import COUNT_LIMIT

UNSETTLED_MAX = 100
"""The most unsettled sales of a meter: all are in one page."""


@dataclass(frozen=True, slots=True)
class Sale:
    """Money on its way into a meter, nano-yuan."""

    order_id: str
    amount: int
    """What was paid."""
    channel: str = ""
    operator: str = ""
    service_fee: int = 0
    """What of it does not go into the meter."""

    @property
    def credit(self) -> int:
        """What the meter is sent."""
        return self.amount - self.service_fee


@dataclass(frozen=True, slots=True)
class Credit:
    """A meter's own credit as it was mirrored last, and its unsettled sales.

    Attributes:
        remaining: Nano-yuan.
        count: How many recharges the meter has taken, by its own account.
        sales: First come, first served: the first was sent to the meter, the others wait.
        expected: The count that the meter has once it has taken the first sale.
        sent_at: When the first sale was sent last, ms.
        outside: Whether ledger and meter differed by more than the tolerance when they were compared last.
    """

    remaining: int
    count: int
    sales: tuple[Sale, ...] = ()
    expected: int = 0
    sent_at: int = 0
    outside: bool = False

    @property
    def pending(self) -> int:
        """Nano-yuan of all unsettled sales."""
        return sum(sale.amount for sale in self.sales)

    @property
    def takes_another(self) -> bool:
        """Whether one more sale may wait, and the meter could count it after those before it."""
        return len(self.sales) < UNSETTLED_MAX and self.count + len(self.sales) + 1 < COUNT_LIMIT

    def taken_at(self, count: int) -> Sale | None:
        """The sale that the meter has taken if it tells this count now: grown by exactly one, to what was expected."""
        grown = bool(self.sales) and count == self.count + 1 == self.expected
        return self.sales[0] if grown else None

    def awaits(self, count: int) -> bool:
        """Whether a meter that tells this count can still take the sale that was sent."""
        return bool(self.sales) and self.expected == count + 1


class Credits:
    """The meters of one site that hold their credit themselves, by running number."""

    def __init__(self) -> None:
        self._by_meter: dict[int, Credit] = {}
        self.dirty: set[int] = set()

    def __iter__(self) -> Iterator[int]:
        return iter(self._by_meter)

    def __getitem__(self, meter: int) -> Credit:
        return self._by_meter[meter]

    def get(self, meter: int) -> Credit | None:
        """A meter's own credit; None where the platform holds it."""
        return self._by_meter.get(meter)

    def put(self, meter: int, credit: Credit) -> None:
        """Take over what is known of a meter now."""
        if self._by_meter.get(meter) != credit:
            self._by_meter[meter] = credit
            self.dirty.add(meter)

    def pending(self, meter: int) -> int:
        """Nano-yuan of a meter's unsettled sales; 0 where the platform holds its credit."""
        credit = self._by_meter.get(meter)
        return 0 if credit is None else credit.pending

    def recall(self, meter: int, record: dict[str, Any]) -> None:
        """Take back what `credit_record` wrote."""
        sales = tuple(Sale(*sale) for sale in record["sales"])
        self._by_meter[meter] = Credit(**{**record, "sales": sales})


def credit_record(credit: Credit) -> dict[str, Any]:
    """A meter's credit as JSON-like values."""
    return {
        "remaining": credit.remaining,
        "count": credit.count,
        "sales": [list(astuple(sale)) for sale in credit.sales],
        "expected": credit.expected,
        "sent_at": credit.sent_at,
        "outside": credit.outside,
    }
