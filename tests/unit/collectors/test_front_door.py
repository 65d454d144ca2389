"""The shape of orders at the door: what is malformed is refused with the field's name."""

from typing import Any

import pytest

from collectors.orders.front_door import check_order
from streams.core.errors import MalformedError

RECHARGE = {"order": "recharge", "account": "A1", "order_id": "R1", "amount": "5"}


@pytest.mark.parametrize(
    ("order", "field"),
    [
        pytest.param(RECHARGE | {"amount": 5}, "amount", id="an amount as a number"),
        pytest.param(RECHARGE | {"amount": "5,0"}, "amount", id="an amount with a comma"),
        pytest.param(RECHARGE | {"amount": "1e3"}, "amount", id="an amount with an exponent"),
        pytest.param({"order": "recharge", "account": "A1", "amount": "5"}, "order_id", id="no identity"),
        pytest.param(RECHARGE | {"account": ""}, "account", id="an empty text"),
        pytest.param(RECHARGE | {"name": "Li"}, "name", id="an unknown field"),
        pytest.param({"order": "opn_account", "account": "A1"}, "order", id="an unknown order"),
        pytest.param({"account": "A1"}, "order", id="no order"),
        pytest.param({"order": "tick", "at": "yesterday"}, "at", id="no time"),
        pytest.param({"order": "tick", "at": 1}, "at", id="a time as a number"),
        pytest.param({"order": "tick", "site": "S1/x"}, "site", id="a site with a slash"),
        pytest.param({"order": "tick", "site": ""}, "site", id="an empty site"),
        pytest.param({"order": "control", "meter": "M1", "action": "open"}, "action", id="an unknown word"),
    ],
)
def test_a_malformed_order_names_its_field(order: dict[str, Any], field: str) -> None:
    with pytest.raises(MalformedError) as caught:
        check_order(order)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("order", "site"),
    [(RECHARGE, "S1"), (RECHARGE | {"site": "S2", "operator": "Li", "at": "2026-03-02T12:00:00+08:00"}, "S2")],
    ids=["shortest", "all that every order may carry"],
)
def test_a_good_order_is_for_its_site(order: dict[str, Any], site: str) -> None:
    assert check_order(order) == site


def test_where_a_meter_hangs_may_come_with_it() -> None:
    place = {"gateway": "S1-G01", "address": "17", "template": "ddsy1352"}
    check_order(
        {"order": "install_meter", "meter": "M1", "account": "A1", "kind": "electricity", "register": "0"} | place
    )
