"""Pages: what was written is read back whole; what is damaged or unknown is said by its key."""

import pytest

from streams.core.localtime import parse_time
from streams.core.outcome import Position, Source
from streams.core.pages import PageError
from streams.core.site import SiteLedger
from tests.bench.core import opened_site, rounds

AT = parse_time("2026-01-05T08:00:00+08:00") or 0


def test_a_ledger_read_back_goes_on_as_if_it_had_not_stopped() -> None:
    fresh = SiteLedger("S1")
    pages: dict[str, bytes] = {}
    for number, order in enumerate(
        [
            {"order": "open_account", "account": "A1"},
            {"order": "recharge", "account": "A1", "order_id": "R1", "amount": "5"},
            {"order": "install_meter", "meter": "M1", "account": "A1", "kind": "water", "register": "1"},
            {"order": "control", "meter": "M1", "action": "cut"},
        ]
    ):
        fresh.take_order(order, at=AT, position=Position(Source.ORDERS, number))
        pages |= fresh.dirty_pages()
    again = SiteLedger.load("S1", pages)
    assert again.dirty_pages() == {}
    assert again.balances() == fresh.balances() == {"A1": 5_000_000_000}
    for one in (fresh, again):
        one.take_order(
            {"order": "recharge", "account": "A1", "order_id": "R1", "amount": "5.00"},
            at=AT,
            position=Position(Source.ORDERS, 9),
        )
        one.take_order(
            {"order": "control", "meter": "M1", "action": "restore"}, at=AT, position=Position(Source.ORDERS, 10)
        )
    assert [refusal.reason for refusal in again.settle().refusals] == ["duplicate"]
    assert again.dirty_pages() == fresh.dirty_pages()


def test_a_batch_dirties_only_the_pages_of_its_meters_and_accounts() -> None:
    ledger = opened_site(600)
    batch = next(rounds(8, 1, 1, 600))
    ledger.take_readings(batch)
    touched = set(ledger.dirty_pages())
    expected = {"clock"} | {f"meters/{number // 256}" for number in batch.meter.tolist()}
    expected |= {f"accounts/{number // 2 // 256}" for number in batch.meter.tolist()}
    assert touched == expected


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (b"XXX\x01{}", "does not begin with SLP"),
        (b"SLP", "layout version"),
        (b"SLP\x63{}", "layout version 63"),
        (b"SLP\x01{", "damaged"),
    ],
    ids=["magic", "cut short", "later version", "no JSON"],
)
def test_a_page_that_cannot_be_read_is_an_error(page: bytes, said: str) -> None:
    with pytest.raises(PageError, match=said):
        SiteLedger.load("S1", {"site": page})


def test_a_missing_page_is_an_error() -> None:
    ledger = SiteLedger("S1")
    ledger.take_order({"order": "open_account", "account": "A1"}, at=AT, position=Position(Source.ORDERS, 0))
    pages = ledger.dirty_pages()
    del pages["account/0"]
    with pytest.raises(PageError, match="missing"):
        SiteLedger.load("S1", pages)
