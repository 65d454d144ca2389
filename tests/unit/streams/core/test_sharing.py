"""Shares sum to the amount, whatever the weights; their entries say so."""

import random

from streams.core.outcome import Position, Source
from streams.core.sharing import share_out
from streams.core.site import SiteLedger


def test_parts_sum_to_the_amount_and_none_is_a_unit_off() -> None:
    random_ = random.Random(7)
    for _ in range(2_000):
        weights = [random_.choice([0, 0, 1, 2, 999, 10**12 - 1]) for _ in range(random_.randint(1, 9))]
        weights[random_.randrange(len(weights))] = 5
        amount = random_.choice([1, 10, 10**7, 123_450_000_000, 10**18])
        parts = share_out(amount, weights)
        assert sum(parts) == amount
        for part, weight in zip(parts, weights, strict=True):
            assert abs(part * sum(weights) - amount * weight) < sum(weights)
            assert weight or not part


def test_the_public_account_is_entered_first_and_no_part_of_nothing() -> None:
    ledger = SiteLedger("S1")
    for number, account in enumerate(("A", "B", "P")):
        ledger.take_order({"order": "open_account", "account": account}, at=0, position=Position(Source.ORDERS, number))
    order = {"order": "share", "account": "P", "order_id": "S1", "amount": "2", "by": "parts", "operator": "li"}
    weights = {"B": "1", "A": "0"}
    ledger.take_order({**order, "weights": weights}, at=0, position=Position(Source.ORDERS, 3))
    entries = ledger.settle().entries
    assert [(entry.account, entry.amount, entry.order_id, entry.kind, entry.operator) for entry in entries] == [
        (2, 2_000_000_000, "S1", "share", "li"),
        (1, -2_000_000_000, "S1", "share", "li"),
    ]
    again = SiteLedger.load("S1", ledger.dirty_pages())
    again.take_order({**order, "weights": dict(reversed(weights.items()))}, at=0, position=Position(Source.ORDERS, 4))
    assert [refusal.reason for refusal in again.settle().refusals] == ["duplicate"]
