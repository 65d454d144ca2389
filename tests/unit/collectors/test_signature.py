"""Signatures of commands: canonical bytes and keys, against values that were made without this code."""

import json
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from collectors.wire.signature import canonical_bytes, is_signed, sign
from infra.gateway_keys import GatewayKeysError, read_gateway_keys
from streams.core.outcome import Command, Position, Source
from streams.records import command_value

ROOT = Path(__file__).parents[3]
SCHEMAS = ROOT / "docs" / "schemas"
KEY = bytes(range(32))
AT = 1_767_225_600_000


def value(action: str = "cut", *, key: bytes | None = None, **more: Any) -> dict[str, Any]:
    command = Command(Position(Source.FRAMES, 3, 1), AT, 0, action, "arrears", False, 9, **more)
    written = command_value(
        command, site="S1", meter='表 1 "A"', gateway="G1", address="17", template="dtsy1352", key=key
    )
    found: dict[str, Any] = json.loads(written)
    return found


def test_canonical_bytes_are_those_of_rfc_8785() -> None:
    text = canonical_bytes({"b": 'a/\u20ac$\u000f\n"\\', "a": {"z": 1, "y": True}, "signature": "x"})
    assert text == b'{"a":{"y":true,"z":1},"b":"a/\xe2\x82\xac$\\u000f\\n\\"\\\\"}'


def test_another_maker_of_hmacs_makes_the_same_signature(tmp_path: Path) -> None:
    signed = value(key=KEY)
    text = tmp_path / "command"
    text.write_bytes(canonical_bytes(signed))
    made = subprocess.run(
        ["openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{KEY.hex()}", str(text)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert made.stdout.split()[-1] == signed["signature"]


@pytest.mark.parametrize("field", ["meter", "action", "sequence", "expires_at", "repeat"])
def test_a_signature_holds_for_every_member(field: str) -> None:
    signed = value(key=KEY)
    assert is_signed(KEY, signed)
    assert is_signed(KEY, dict(reversed(signed.items())))
    assert not is_signed(bytes(32), signed)
    assert not is_signed(KEY, signed | {field: "other"})
    assert not is_signed(KEY, signed | {"more": 1})
    assert not is_signed(KEY, {name: member for name, member in signed.items() if name != field})


@pytest.mark.parametrize(
    "found", [None, 7, "", "é" * 64, "0" * 64], ids=["none", "number", "empty", "letters", "zeros"]
)
def test_what_is_no_signature_is_none(found: object) -> None:
    assert not is_signed(KEY, value() | {"signature": found})


def test_a_text_that_no_utf_8_holds_is_not_signed() -> None:
    fields = value(key=KEY) | {"reason": "\ud800"}
    assert not is_signed(KEY, fields)
    with pytest.raises(UnicodeEncodeError):
        sign(KEY, fields)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "is not a JSON object"),
        ('{"G1": "00", "G1": "00"}', "twice"),
        ('{"G1": "00"}', "the key of G1 has 1 bytes, fewer than 32"),
        ('{"G1": "secret words"}', "the key of G1 is not hexadecimal"),
        ('{"G1": 7}', "the key of G1 is not hexadecimal"),
    ],
    ids=["list", "twice", "short", "words", "number"],
)
def test_a_file_of_keys_with_a_fault_names_the_gateway_and_not_the_key(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "gateway-keys.json"
    path.write_text(text)
    with pytest.raises(GatewayKeysError, match=said) as caught:
        read_gateway_keys(path)
    assert "secret" not in str(caught.value)


def test_keys_are_read_and_none_are_needed(tmp_path: Path) -> None:
    path = tmp_path / "gateway-keys.json"
    assert dict(read_gateway_keys(path)) == {}
    path.write_text(json.dumps({"G1": KEY.hex()}))
    assert dict(read_gateway_keys(path)) == {"G1": KEY}


SCHEMA = json.loads((SCHEMAS / "gateway.commands.json").read_text("utf-8"))


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(value(), id="cut"),
        pytest.param(value("restore", key=KEY), id="signed"),
        pytest.param(value("recharge", amount=12_500_000_000, count=4), id="recharge"),
        pytest.param(value("retain"), id="retain"),
        pytest.param(value("sync_time"), id="sync_time"),
        pytest.param(value("set_price") | {"prices": {"peak": "1.2"}}, id="set_price"),
        pytest.param(value("set_parameters") | {"parameters": {"alarm_amount_1": "20.00"}}, id="set_parameters"),
    ],
)
def test_what_the_ledger_writes_is_in_the_schema(command: dict[str, Any]) -> None:
    jsonschema.validate(command, SCHEMA, cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"sequence": 0},
        {"sequence": "1"},
        {"action": "open"},
        {"expires_at": "soon"},
        {"amount": "1"},
        {"prices": {"peak": "1"}},
        {"action": "recharge"},
        {"action": "set_price", "prices": {}},
        {"action": "set_parameters"},
        {"signature": "short"},
        {"more": 1},
    ],
    ids=lambda change: "-".join(f"{name}={found}" for name, found in change.items()),
)
def test_what_is_no_command_is_not_in_the_schema(change: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(value() | change, SCHEMA, cls=jsonschema.Draft202012Validator)
