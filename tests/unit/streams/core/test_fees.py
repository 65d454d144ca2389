"""Fixed fees: entries and their ids, what a long silence comes to, pages."""

from typing import Any

import pytest

from streams.core.localtime import parse_time
from streams.core.outcome import Entry, Position, Source
from streams.core.site import SiteLedger

OFFSETS = iter(range(1_000_000))


def take(ledger: SiteLedger, at: str, order: str, **fields: Any) -> None:
    ledger.take_order(
        {"order": order, **fields}, at=parse_time(at) or 0, position=Position(Source.ORDERS, next(OFFSETS))
    )


def set_fee(
    ledger: SiteLedger, at: str, fee: str, amount: str, period: str, starts_at: str, account: str = "A"
) -> None:
    fields = {"fee": fee, "account": account, "amount": amount, "period": period, "from": starts_at}
    take(ledger, at, "set_fee", **fields)


@pytest.fixture
def ledger() -> SiteLedger:
    opened = SiteLedger("S1")
    for account in ("B", "A"):
        take(opened, "2026-01-05T08:00:00+08:00", "open_account", account=account)
    return opened


def charged(ledger: SiteLedger) -> list[tuple[str, str, str, int]]:
    return [
        (ledger.account_id(entry.account), entry.order_id, entry.of, entry.amount) for entry in ledger.settle().entries
    ]


def test_charges_come_by_due_time_then_account_then_name(ledger: SiteLedger) -> None:
    at = "2026-01-05T08:00:00+08:00"
    set_fee(ledger, at, "rent", "2", "month", "2026-02-01T00:00:00+08:00")
    set_fee(ledger, at, "property", "1", "day", "2026-01-31T00:00:00+08:00")
    set_fee(ledger, at, "rent", "3", "month", "2026-02-01T00:00:00+08:00", account="B")
    take(ledger, "2026-02-01T00:00:00+08:00", "recharge", account="A", order_id="R1", amount="10")
    entries = ledger.settle().entries
    yuan = 1_000_000_000
    assert [(ledger.account_id(entry.account), entry.kind, entry.order_id, entry.amount) for entry in entries] == [
        ("A", "fee", "fee:property:2026-01-31", -1 * yuan),
        ("B", "fee", "fee:rent:2026-02", -3 * yuan),
        ("A", "fee", "fee:property:2026-02-01", -1 * yuan),
        ("A", "fee", "fee:rent:2026-02", -2 * yuan),
        ("A", "recharge", "R1", 10 * yuan),
    ]
    assert [entry.position.line for entry in entries] == [0, 0, 0, 0, 0]
    assert [entry.nth for entry in entries] == [0, 1, 2, 3, 4]
    assert [entry.balance // yuan for entry in entries] == [-1, -3, -2, -4, 6]


def test_of_a_long_silence_the_latest_have_an_entry_each_and_the_others_one(ledger: SiteLedger) -> None:
    at = "2026-01-05T08:00:00+08:00"
    set_fee(ledger, at, "rent", "0.01", "month", "2026-02-01T00:00:00+08:00")
    set_fee(ledger, at, "rent", "0.02", "day", "2026-03-01T00:00:00+08:00")
    take(ledger, "2026-04-02T00:00:00+08:00", "tick")
    entries = charged(ledger)
    # February, 31 days of March, April 1st and 2nd: 34 due times, of which the first three are one.
    assert len(entries) == 32
    assert entries[0] == ("A", "fee:rent:2026-03-02", "fee:rent:2026-02", -50_000_000)
    assert entries[1] == ("A", "fee:rent:2026-03-03", "", -20_000_000)
    assert entries[-1] == ("A", "fee:rent:2026-04-02", "", -20_000_000)


def test_a_fee_since_the_year_1_costs_no_more_than_others(ledger: SiteLedger) -> None:
    set_fee(ledger, "2026-01-05T08:00:00+08:00", "rent", "0.01", "day", "0001-01-02T00:00:00+08:00")
    entries = charged(ledger)
    assert len(entries) == 32
    # From 0001-01-02 to 2025-12-05; Python's own count of days is the witness.
    assert entries[0] == ("A", "fee:rent:2025-12-05", "fee:rent:0001-01-02", -739_589 * 10_000_000)


def test_a_ledger_read_back_charges_the_same(ledger: SiteLedger) -> None:
    at = "2026-01-05T08:00:00+08:00"
    set_fee(ledger, at, "a/b", "1", "day", "2026-01-04T00:00:00+08:00")
    set_fee(ledger, at, "a/b", "2", "day", "2026-01-07T00:00:00+08:00")
    set_fee(ledger, at, "gone", "2", "day", "2026-01-07T00:00:00+08:00", account="B")
    take(ledger, at, "close_account", account="B")
    pages = ledger.dirty_pages()
    assert {key for key in pages if key.startswith("fee/")} == {"fee/1/a/b", "fee/0/gone"}
    again = SiteLedger.load("S1", pages)
    ledger.settle()
    for one in (ledger, again):
        set_fee(one, at, "a/b", "9", "day", "2026-01-05T00:00:00+08:00")
        take(one, "2026-01-08T00:00:00+08:00", "tick")
    first, second = ledger.settle(), again.settle()
    assert [refusal.reason for refusal in second.refusals] == ["retroactive"]
    assert [without_place(entry) for entry in first.entries] == [without_place(entry) for entry in second.entries]
    assert [entry.amount // 1_000_000_000 for entry in first.entries] == [-1, -2, -2]
    assert ledger.dirty_pages().keys() == again.dirty_pages().keys() == {"clock", "accounts/0"}


def without_place(entry: Entry) -> tuple[int, str, int, int]:
    return entry.account, entry.order_id, entry.amount, entry.balance


def test_a_fee_has_few_rates_that_are_ahead(ledger: SiteLedger) -> None:
    for day in range(102):
        at = "2026-01-05T08:00:00+08:00"
        set_fee(ledger, at, "rent", "1", "day", f"{2027 + day}-01-01T00:00:00+08:00")
    assert [refusal.reason for refusal in ledger.settle().refusals] == ["invalid"] * 2
