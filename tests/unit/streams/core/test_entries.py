"""What an entry tells of the order that moved the money."""

import pytest

from streams.core.outcome import Position, Source
from streams.core.site import SiteLedger

ORDERS: list[dict[str, object]] = [
    {"order": "open_account", "account": "A1"},
    {"order": "recharge", "account": "A1", "order_id": "R1", "amount": "50"},
    {"order": "recharge", "account": "A1", "order_id": "R2", "amount": "10", "operator": "li", "channel": "counter"},
    {"order": "refund", "account": "A1", "order_id": "F1", "amount": "1", "operator": "wang"},
    {"order": "reverse", "account": "A1", "order_id": "V1", "of": "R2", "operator": "zhao"},
    {"order": "adjust", "account": "A1", "order_id": "J1", "amount": "3", "reason": "r", "operator": "sun"},
    {"order": "close_account", "account": "A1", "operator": "qian"},
]


@pytest.fixture(scope="module")
def ledger() -> SiteLedger:
    ledger = SiteLedger("S1")
    for number, order in enumerate(ORDERS):
        ledger.take_order(order, at=1_767_225_600_000 + number, position=Position(Source.ORDERS, number))
    return ledger


def test_an_entry_names_who_gave_the_order(ledger: SiteLedger) -> None:
    assert [(entry.kind, entry.operator) for entry in ledger.settle().entries] == [
        ("recharge", ""),
        ("recharge", "li"),
        ("refund", "wang"),
        ("reversal", "zhao"),
        ("adjustment", "sun"),
        ("closing_refund", "qian"),
    ]
