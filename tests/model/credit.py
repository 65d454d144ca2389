"""Credit that a meter holds itself, and what was sold into it (What the product adds, Credit in the meter).

Every sale ever taken stays in its account's list; its `state` says where it is.
"""

from dataclasses import dataclass
from fractions import Fraction

from tests.model import refusal
from tests.model.records import Reading, Sell
from tests.model.refusal import refuse_if
from tests.model.texts import MINUTE

SEND_AGAIN_AFTER = 5 * MINUTE


@dataclass
class Sale:
    """A sale that was taken: `waiting`, then `sent`, at last `confirmed` or `void`."""

    order: Sell
    amount: int
    service_fee: int
    state: str = "waiting"
    sent_count: int = 0
    """The count that the meter has after it, as it was sent."""
    sent_at: int = 0

    @property
    def credit(self) -> int:
        """What the meter gets of it."""
        return self.amount - self.service_fee

    @property
    def is_pending(self) -> bool:
        """Whether it is neither confirmed nor void."""
        return self.state in ("waiting", "sent")


def on_its_way(sales: list[Sale]) -> Sale | None:
    """The one sale that was sent and not settled."""
    return next((sale for sale in sales if sale.state == "sent"), None)


def next_waiting(sales: list[Sale]) -> Sale | None:
    """The sale whose turn it is, if none is on its way."""
    if on_its_way(sales) is not None:
        return None
    return next((sale for sale in sales if sale.state == "waiting"), None)


@dataclass
class MeterCredit:
    """What a meter told of its own credit last; `differed` as it was when it was last compared."""

    remaining: int
    count: int
    differed: bool = False


@dataclass(frozen=True)
class Told:
    """What a reading tells: nano-yuan and the recharge count, each None where it does not."""

    remaining: int | None
    count: int | None


def build_opening(remaining: Fraction | None, count: int | None) -> Told:
    """Check what an order says of a meter's credit.

    Raises:
        Refused: `invalid`.
    """
    if count is not None:
        refuse_if(count < 0 or count >= refusal.LIMIT, "invalid")
    return Told(None if remaining is None else refusal.money(remaining), count)


def build_told(reading: Reading) -> Told:
    """Check what a reading tells of its meter's credit.

    Raises:
        Refused: `invalid`.
    """
    return build_opening(reading.remaining, reading.count)


def confirmed_sale(sales: list[Sale], credit: MeterCredit, told: Told) -> Sale | None:
    """The sale that the told count confirms: it has grown by one, to what that sale was sent with."""
    sale = on_its_way(sales)
    if sale is None or told.count is None:
        return None
    return sale if told.count - credit.count == 1 and told.count == sale.sent_count else None


def is_due_again(sale: Sale | None, count: int, now: int) -> bool:
    """Whether the sale on its way goes out again, when the meter tells a count that does not confirm it."""
    return sale is not None and sale.sent_count - count == 1 and now - sale.sent_at >= SEND_AGAIN_AFTER
