"""What makes a line malformed, by field."""

from typing import Any

import pytest

from streams.core.errors import MalformedError
from streams.core.orderform import parse_order
from streams.core.orders import KINDS, Recharge

GOOD: dict[str, dict[str, Any]] = {
    "set_tariff": {
        "tariff": "E1",
        "from": "2026-01-01T00:00:00+08:00",
        "unit": "kWh",
        "cycle": "month",
        "components": {"supply": {"all": ["0.5"]}},
    },
    "set_calendar": {"days": {"2026-10-01": "holiday"}},
    "open_account": {"account": "A1"},
    "install_meter": {"meter": "M1", "account": "A1", "kind": "water", "register": "0"},
    "set_policy": {"low": ["50", "10"], "protected": ["18:00-09:30"], "auto_restore": False},
    "set_fee": {"fee": "rent", "account": "A1", "amount": "1", "period": "day", "from": "2026-01-01T00:00:00+08:00"},
    "recharge": {"account": "A1", "order_id": "R1", "amount": "1"},
    "refund": {"account": "A1", "order_id": "F1", "amount": "1"},
    "reverse": {"account": "A1", "order_id": "V1", "of": "R1"},
    "adjust": {"account": "A1", "order_id": "J1", "amount": "-1", "reason": "text"},
    "share": {"account": "A1", "order_id": "S1", "amount": "1", "weights": {"A2": "1"}, "by": "area"},
    "sell": {"order_id": "S1", "meter": "M1", "amount": "1"},
    "settle_sale": {"order_id": "X1", "of": "S1", "outcome": "void"},
    "assign_tariff": {"meter": "M1", "tariff": "E1"},
    "replace_meter": {"meter": "M1", "final": "1", "new_meter": "M2", "register": "0"},
    "control": {"meter": "M1", "action": "cut"},
    "close_account": {"account": "A1"},
    "tick": {},
}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_least_that_an_order_needs_is_enough_and_all_of_it_is_needed(kind: str) -> None:
    parse_order({"order": kind, **GOOD[kind]})
    for name in GOOD[kind] if kind != "set_policy" else ():
        with pytest.raises(MalformedError) as caught:
            parse_order({"order": kind, **{other: value for other, value in GOOD[kind].items() if other != name}})
        assert caught.value.field == name


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("tick", "amount", "1"),
        ("set_calendar", "days", {"2026-02-29": "holiday"}),
        ("set_calendar", "days", {"20261001": "holiday"}),
        ("set_calendar", "days", {"2026-10-01": "feast"}),
        ("set_calendar", "days", ["2026-10-01"]),
        ("set_tariff", "profiles", [{"months": [1]}]),
        ("set_tariff", "profiles", [{"bands": {"all": []}, "hours": []}]),
        ("set_tariff", "profiles", [{"bands": {"all": []}, "months": ["1"]}]),
        ("set_tariff", "profiles", [{"bands": {"all": []}, "days": ["sunday"]}]),
        ("set_tariff", "profiles", {"bands": {"all": []}}),
        ("install_meter", "credit", "card"),
        ("install_meter", "remaining", 1),
        ("install_meter", "count", "1"),
        ("install_meter", "count", True),
        ("replace_meter", "credit", "meter"),
        ("set_policy", "credit_tolerance", "1e2"),
        ("settle_sale", "outcome", "lost"),
        ("refund", "channel", "counter"),
        ("recharge", "amount", 1),
        ("recharge", "amount", "1,5"),
        ("recharge", "account", ""),
        ("recharge", "channel", None),
        ("install_meter", "kind", "gas"),
        ("install_meter", "ratio", 1.0),
        ("install_meter", "ratio", True),
        ("install_meter", "digits", "6"),
        ("control", "action", "open"),
        ("set_policy", "low", "50"),
        ("set_policy", "low", ["50", 10]),
        ("set_policy", "protected", ["18:00"]),
        ("set_policy", "auto_restore", 1),
        ("set_tariff", "from", "2026-01-01"),
        ("set_tariff", "bands", {"": []}),
        ("set_tariff", "bands", {"peak": ["25:00-01:00"]}),
        ("set_tariff", "components", {"supply": ["0.5"]}),
        ("set_tariff", "components", {"supply": {"all": "0.5"}}),
        ("close_account", "finals", {"M1": 5}),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_field_of_the_wrong_form_is_named(kind: str, name: str, value: object) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_order({"order": kind, **GOOD[kind], name: value})
    assert caught.value.field == name


@pytest.mark.parametrize("order", [None, "", "sold", 3], ids=repr)
def test_an_unknown_order_is_named(order: object) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_order({"order": order})
    assert caught.value.field == "order"


def test_content_is_by_value() -> None:
    one, other = (
        parse_order({"order": "recharge", "account": "A1", "order_id": "R1", "amount": amount, "at": at, "site": "S9"})
        for amount, at in (("100", "x"), ("100.00", "y"))
    )
    assert isinstance(one, Recharge)
    assert one == other
