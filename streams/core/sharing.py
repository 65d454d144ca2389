"""What a public meter cost, shared over the accounts that use what it feeds.

The weights come with the order: floor area, agreed parts, or consumption as whoever sends the order has it. The ledger
could not give the last one exactly. It keeps what was priced by calendar month only for the month of each meter's
latest segment, not per account, and what is unpriced or held may still fall into a month that seems over.
"""

from collections.abc import Sequence
from dataclasses import replace

from streams.core.line import Line
from streams.core.money import is_seen, note_taken
from streams.core.orders import Share
from streams.core.units import NANO_PER_CENT, money_nano

_WEIGHT_PLACES = 3


def share(line: Line, order: Share) -> None:
    """Take an amount from some accounts, each by its weight, for the one that has the public meter."""
    # In which order accounts stand in a JSON object is no content; it only breaks ties.
    content = replace(order, weights=tuple(sorted(order.weights)))
    if is_seen(line, content, "share"):
        return
    accounts = line.books.accounts
    public = accounts.by_id.get(order.account)
    payers = [accounts.by_id.get(account) for account, _ in order.weights]
    if public is None or None in payers:
        return line.refuse("unknown", order.account)
    numbers = [number for number in payers if number is not None]
    if any(accounts.infos[number].closed for number in (public, *numbers)):
        return line.refuse("closed", order.account)
    amount, weights = money_nano(order.amount), _weights(order)
    # A meter that holds its credit itself knows of no share.
    own_credit = not accounts.own_credit.isdisjoint((public, *numbers))
    if amount is None or amount <= 0 or weights is None or public in numbers or own_credit:
        return line.refuse("invalid", order.account)
    # Whole cents, as on everybody's bill.
    parts = [part * NANO_PER_CENT for part in share_out(amount // NANO_PER_CENT, weights)]
    moves = [(public, amount), *((number, -part) for number, part in zip(numbers, parts, strict=True) if part)]
    if not all(line.fits(number, moved) for number, moved in moves):
        return line.refuse("invalid", order.account)
    for number, moved in moves:
        line.move(
            number,
            moved,
            kind="share",
            order_id=order.order_id,
            spent=moved < 0,
            reason=order.by,
            operator=order.operator,
        )
    note_taken(line, content, "share", public, amount)


def share_out(amount: int, weights: Sequence[int]) -> list[int]:
    """Parts of an amount by weights (0 or more, not all 0) that sum up to it exactly.

    Each gets the floor of its share; what is left goes one by one to the largest remainders, of equal ones the first.

    >>> share_out(100, [1, 1, 1]), share_out(10, [0, 3, 1])
    ([34, 33, 33], [0, 8, 2])
    """
    whole = sum(weights)
    parts = [amount * weight // whole for weight in weights]
    # The remainders sum up to whole units, each is below one: no more are left than there are remainders above 0.
    left = amount - sum(parts)
    by_remainder = sorted(range(len(weights)), key=lambda place: -(amount * weights[place] % whole))
    for place in by_remainder[:left]:
        parts[place] += 1
    return parts


def _weights(order: Share) -> list[int] | None:
    """Thousandths; None where one is below 0, too fine or too large, or none is above 0."""
    weights = [weight.scaled(_WEIGHT_PLACES) for _, weight in order.weights]
    known = [weight for weight in weights if weight is not None and weight >= 0]
    return known if len(known) == len(weights) and any(known) else None
