import json
from typing import Any

import pytest

from infra.fleet.layout import lay_out
from infra.fleet.orders import initial_orders
from infra.fleet.property import Property, PropertySize
from streams.core.orderform import parse_order
from streams.core.outcome import Outcome, Position, Source
from streams.core.site import SiteLedger

from .samples import ORIGIN_MS


@pytest.fixture(scope="module")
def group() -> Property:
    return lay_out(PropertySize(sites=3, gateways=6, meters=120), origin_ms=ORIGIN_MS)


@pytest.fixture(scope="module")
def orders(group: Property) -> list[dict[str, Any]]:
    return [json.loads(json.dumps(order)) for order in initial_orders(group)]


def settle(ledger: SiteLedger, orders: list[dict[str, Any]], first_offset: int) -> Outcome:
    for offset, order in enumerate(orders, first_offset):
        ledger.take_order(order, at=ORIGIN_MS, position=Position(Source.ORDERS, offset))
    return ledger.settle()


def test_every_order_is_well_formed(orders: list[dict[str, Any]]) -> None:
    for order in orders:
        parse_order(order)


def test_the_ledger_takes_them_all(group: Property, orders: list[dict[str, Any]]) -> None:
    for site in group.sites:
        ledger = SiteLedger(site)
        own = [order for order in orders if order["site"] == site]
        outcome = settle(ledger, own, 0)
        assert outcome.refusals == ()
        assert {opened.account for opened in outcome.accounts} == {
            plan.account for plan in group.accounts if plan.site == site
        }
        assert {
            (meter.meter, meter.gateway, meter.address, meter.template, meter.register, meter.ratio)
            for meter in outcome.meters
        } == {
            (spec.meter, spec.gateway, spec.address, spec.template, spec.initial_wh, spec.ratio)
            for spec in group.meters
            if spec.site == site
        }


def test_sent_twice_they_change_nothing(orders: list[dict[str, Any]]) -> None:
    ledger = SiteLedger("S1")
    own = [order for order in orders if order["site"] == "S1"]
    settle(ledger, own, 0)
    balances = ledger.balances()
    outcome = settle(ledger, own, len(own))
    assert ledger.balances() == balances
    assert outcome.entries == ()
    assert outcome.accounts == ()
    assert outcome.meters == ()
    assert outcome.commands == ()
    assert {refusal.reason for refusal in outcome.refusals} == {"conflict", "duplicate"}


def test_first_recharges_are_what_was_planned(group: Property, orders: list[dict[str, Any]]) -> None:
    recharged = {order["account"]: order["amount"] for order in orders if order["order"] == "recharge"}
    assert {account: int(amount.replace(".", "")) for account, amount in recharged.items()} == {
        plan.account: plan.first_recharge_fen for plan in group.accounts
    }
    ids = [order["order_id"] for order in orders if order["order"] == "recharge"]
    assert len(set(ids)) == len(ids)


def test_the_same_group_gives_the_same_orders(orders: list[dict[str, Any]]) -> None:
    again = lay_out(PropertySize(sites=3, gateways=6, meters=120), origin_ms=ORIGIN_MS)
    assert list(initial_orders(again)) == orders
