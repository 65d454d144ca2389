"""What the front door takes in and what it turns away, before anything is sent."""

from typing import Any

import pytest

from collectors.orders.front_door import check_order, stamp_order
from streams.core.errors import MalformedError

RECHARGE = {"order": "recharge", "account": "A1", "order_id": "R1", "amount": "12.50", "channel": "counter"}


@pytest.mark.parametrize(
    ("order", "site"),
    [
        pytest.param(RECHARGE, "S1", id="the default site"),
        pytest.param(RECHARGE | {"site": "园区-1"}, "园区-1", id="a site"),
        pytest.param(RECHARGE | {"operator": "li"}, "S1", id="an operator"),
        pytest.param(RECHARGE | {"at": "2026-03-02T12:00:00+08:00"}, "S1", id="its own time"),
        pytest.param({"order": "tick", "site": "S2"}, "S2", id="nothing but time"),
    ],
)
def test_an_order_of_the_ledgers_language_is_for_its_site(order: dict[str, Any], site: str) -> None:
    assert check_order(order) == site


@pytest.mark.parametrize(
    ("change", "field"),
    [
        pytest.param({"amount": 12.5}, "amount", id="an amount that is a number"),
        pytest.param({"amount": "12,50"}, "amount", id="an amount with a comma"),
        pytest.param({"account": ""}, "account", id="no account"),
        pytest.param({"order_id": 7}, "order_id", id="an identity that is no text"),
        pytest.param({"order": "top_up"}, "order", id="an unknown order"),
        pytest.param({"meter": "M1"}, "meter", id="a field of another order"),
        pytest.param({"site": 1}, "site", id="a site that is no text"),
        pytest.param({"site": ""}, "site", id="an empty site"),
        pytest.param({"site": "S1/A"}, "site", id="a site that looks like a page"),
        pytest.param({"site": "S1\0"}, "site", id="a site with a zero byte"),
        pytest.param({"site": "区" * 86}, "site", id="a site of 258 bytes"),
        pytest.param({"site": "\udc00"}, "site", id="a site that is no text at all"),
        pytest.param({"at": "noon"}, "at", id="a time that is none"),
        pytest.param({"at": 1_772_424_000_000}, "at", id="a time that is a number"),
    ],
)
def test_a_malformed_order_is_refused_by_the_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(MalformedError) as refused:
        check_order(RECHARGE | change)
    assert refused.value.field == field


def test_an_order_is_stamped_unless_it_brings_its_time() -> None:
    assert stamp_order(RECHARGE, site="S2", now=0) == RECHARGE | {"site": "S2", "at": "1970-01-01T08:00:00+08:00"}
    own = RECHARGE | {"at": "1970-01-01T00:00:00Z"}
    assert stamp_order(own, site="S2", now=0) == own | {"site": "S2"}


def test_an_order_from_the_future_is_refused() -> None:
    with pytest.raises(MalformedError) as refused:
        stamp_order(RECHARGE | {"at": "1970-01-01T00:00:00.001Z"}, site="S1", now=0)
    assert refused.value.field == "at"
