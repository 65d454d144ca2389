"""What stops a run (P1, P4), one fault a case, by the core and by the slow model: line and field."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from streams.core.errors import MalformedError
from streams.replay import replay
from tests.model import Malformed, run

BEFORE = [
    '{"at": "2026-01-05T08:00:00+08:00", "order": "open_account", "account": "A1"}',
    "",
    '{"at": "2026-01-05T08:00:00+08:00", "order": "install_meter", "meter": "M1", "account": "A1",'
    ' "kind": "electricity", "register": "0"}',
]
AT = '"at": "2026-01-05T09:00:00+08:00"'
TARIFF: dict[str, Any] = {
    "at": "2026-01-05T09:00:00+08:00",
    "order": "set_tariff",
    "tariff": "E1",
    "from": "2026-01-01T00:00:00+08:00",
    "unit": "kWh",
    "cycle": "month",
    "components": {"supply": {"all": ["1"]}},
}


def tariff(**fields: object) -> str:
    """A sound set_tariff but for these fields; None takes one away."""
    return json.dumps({name: value for name, value in {**TARIFF, **fields}.items() if value is not None})


def order(text: str) -> str:
    return f"{{{AT}, {text}}}"


def reading(text: str) -> str:
    return order(f'"reading": {{{text}}}')


def share(**fields: object) -> str:
    """A sound share but for these fields."""
    sound = {"account": "A1", "order_id": "S1", "amount": "1", "weights": {"A2": "1"}, "by": "area"}
    return order(json.dumps({"order": "share", **sound, **fields})[1:-1])


SOUND = '"meter": "M1", "register": "1", "read_at": "2026-01-05T09:00:00+08:00"'
CASES = [
    ("not-json", "{", ""),
    ("two-values", '{"a": 1} {"a": 1}', ""),
    ("not-an-object", "[]", ""),
    ("single-quotes", "{'at': 5}", ""),
    ("name-twice", f'{{{AT}, {AT}, "order": "tick"}}', "at"),
    ("name-twice-inside", reading(f'{SOUND}, "register": "1"'), "register"),
    ("name-twice-deep", order('"order": "close_account", "account": "A1", "finals": {"M1": "1", "M1": "1"}'), "M1"),
    ("neither", f"{{{AT}}}", "order"),
    ("both", order(f'"order": "tick", "reading": {{{SOUND}}}'), "order"),
    ("unknown-order", order('"order": "top_up"'), "order"),
    ("order-of-wrong-type", order('"order": null'), "order"),
    ("reading-of-wrong-type", order('"reading": []'), "reading"),
    ("unknown-field", order('"order": "tick", "note": "x"'), "note"),
    ("unknown-field-of-a-reading", reading(f'{SOUND}, "unit": "kWh"'), "unit"),
    ("field-of-another-order", order('"order": "tick", "account": "A1"'), "account"),
    ("field-beside-a-reading", order(f'"reading": {{{SOUND}}}, "meter": "M1"'), "meter"),
    ("no-at", '{"order": "tick"}', "at"),
    ("missing-field", order('"order": "open_account"'), "account"),
    ("missing-field-of-a-reading", reading('"meter": "M1", "register": "1"'), "read_at"),
    (
        "null",
        order(
            '"order": "replace_meter", "meter": "M1", "final": "0", "new_meter": "M2", "register": "0", "digits": null'
        ),
        "digits",
    ),
    ("number-for-a-text", order('"order": "open_account", "account": 1'), "account"),
    ("number-for-a-decimal", reading('"meter": "M1", "register": 1, "read_at": "2026-01-05T09:00:00Z"'), "register"),
    (
        "text-for-a-number",
        order(
            '"order": "install_meter", "meter": "M2", "account": "A1", "kind": "water", "register": "0", "ratio": "1"'
        ),
        "ratio",
    ),
    ("empty-text", order('"order": "open_account", "account": ""'), "account"),
    ("empty-site", order('"order": "tick", "site": ""'), "site"),
    ("truth-as-a-text", order('"order": "set_policy", "auto_restore": "true"'), "auto_restore"),
    ("text-for-a-list", order('"order": "set_policy", "low": "20"'), "low"),
    ("unknown-word-supply", reading(f'{SOUND}, "supply": "cut"'), "supply"),
    ("conditions-of-wrong-type", reading(f'{SOUND}, "conditions": "overload"'), "conditions"),
    ("unknown-condition", reading(f'{SOUND}, "conditions": ["overheard"]'), "conditions"),
    ("condition-that-is-no-text", reading(f'{SOUND}, "conditions": [[]]'), "conditions"),
    ("events-of-wrong-type", reading(f'{SOUND}, "events": []'), "events"),
    ("unknown-event", reading(f'{SOUND}, "events": {{"overload": 1}}'), "events"),
    ("event-below-zero", reading(f'{SOUND}, "events": {{"cover_opened": -1}}'), "events"),
    ("event-counted-as-text", reading(f'{SOUND}, "events": {{"cover_opened": "1"}}'), "events"),
    ("unknown-word-action", order('"order": "control", "meter": "M1", "action": "open"'), "action"),
    ("unknown-word-unit", tariff(unit="kwh"), "unit"),
    ("unknown-word-cycle", tariff(cycle="day"), "cycle"),
    ("missing-components", tariff(components=None), "components"),
    ("prices-of-wrong-type", tariff(components={"supply": {"all": "1"}}), "components"),
    ("price-no-decimal", tariff(components={"supply": {"all": ["1e1"]}}), "components"),
    ("tier-no-decimal", tariff(tiers=["0", ".5"]), "tiers"),
    ("tier-number", tariff(tiers=[0]), "tiers"),
    ("range-no-range", tariff(bands={"all": ["8:00-9:00"]}), "bands"),
    ("range-starts-at-24", tariff(bands={"all": ["24:00-06:00"]}), "bands"),
    ("range-after-24", tariff(bands={"all": ["08:00-24:01"]}), "bands"),
    ("protected-minute-60", order('"order": "set_policy", "protected": ["08:60-09:00"]'), "protected"),
    ("time-without-offset", tariff(**{"from": "2026-01-05T08:00:00"}), "from"),
    ("time-no-such-day", tariff(**{"from": "2026-02-29T08:00:00Z"}), "from"),
    ("time-24", tariff(**{"from": "2026-02-28T24:00:00Z"}), "from"),
    ("time-4-decimals", tariff(**{"from": "2026-02-28T08:00:00.0000Z"}), "from"),
    ("time-without-seconds", tariff(**{"from": "2026-02-28T08:00Z"}), "from"),
    ("time-small-z", tariff(**{"from": "2026-02-28T08:00:00z"}), "from"),
    ("time-offset-without-colon", tariff(**{"from": "2026-02-28T08:00:00+0800"}), "from"),
    ("decimal-with-plus", order('"order": "recharge", "account": "A1", "order_id": "R", "amount": "+1"'), "amount"),
    ("decimal-with-space", order('"order": "recharge", "account": "A1", "order_id": "R", "amount": "1 "'), "amount"),
    (
        "decimal-with-end-of-line",
        order(r'"order": "refund", "account": "A1", "order_id": "R", "amount": "1\n"'),
        "amount",
    ),
    ("decimal-of-other-digits", order('"order": "refund", "account": "A1", "order_id": "R", "amount": "١"'), "amount"),
    (
        "fee-of-a-week",
        order(
            '"order": "set_fee", "fee": "rent", "account": "A1", "amount": "1", "period": "week",'
            ' "from": "2026-01-05T09:00:00Z"'
        ),
        "period",
    ),
    (
        "fee-from-a-bare-day",
        order('"order": "set_fee", "fee": "f", "account": "A1", "amount": "1", "period": "day", "from": "2026-01-05"'),
        "from",
    ),
    ("weights-of-wrong-type", share(weights=["A2"]), "weights"),
    ("weight-number", share(weights={"A2": 1}), "weights"),
    ("weight-no-decimal", share(weights={"A2": "1/2"}), "weights"),
    ("weight-of-nobody", share(weights={"": "1"}), "weights"),
    ("share-by-floor", share(by="floor"), "by"),
    ("account-of-another-site", order('"site": "S2", "order": "open_account", "account": "A1"'), "account"),
]


def by_model(lines: Iterable[str]) -> tuple[int, str]:
    with pytest.raises(Malformed) as raised:
        run(lines)
    return raised.value.line, raised.value.field


def by_core(lines: Iterable[str]) -> tuple[int, str]:
    with pytest.raises(MalformedError) as raised:
        replay(lines)
    return raised.value.line, raised.value.field


@pytest.mark.parametrize("ledger", [by_model, by_core], ids=["model", "core"])
@pytest.mark.parametrize(("text", "field"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_malformed_line(text: str, field: str, ledger: Callable[[Iterable[str]], tuple[int, str]]) -> None:
    assert ledger([*BEFORE, text, *BEFORE]) == (4, field)


@pytest.mark.parametrize(
    "ledger",
    [
        pytest.param(by_model, id="model"),
        pytest.param(by_core, id="core"),
    ],
)
def test_not_a_number_is_not_json(ledger: Callable[[Iterable[str]], tuple[int, str]]) -> None:
    line = order(
        '"order": "replace_meter", "meter": "M1", "final": "0", "new_meter": "M2", "register": "0", "ratio": NaN'
    )
    assert ledger([*BEFORE, line]) == (4, "")


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ('"order": "install_meter", "meter": "M1", "account": "B1", "kind": "water", "register": "0"', "meter"),
        ('"order": "replace_meter", "meter": "N1", "final": "0", "new_meter": "M1", "register": "0"', "new_meter"),
    ],
    ids=["installed", "replacing"],
)
@pytest.mark.parametrize("ledger", [by_model, by_core], ids=["model", "core"])
def test_meter_of_another_site(line: str, field: str, ledger: Callable[[Iterable[str]], tuple[int, str]]) -> None:
    other_site = [
        order('"site": "S2", "order": "open_account", "account": "B1"'),
        order(
            '"site": "S2", "order": "install_meter", "meter": "N1", "account": "B1", "kind": "water", "register": "0"'
        ),
    ]
    assert ledger([*BEFORE, *other_site, order(f'"site": "S2", {line}')]) == (6, field)
