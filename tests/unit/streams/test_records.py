"""JSON and MessagePack at the edges: what is refused names its field, what goes out names its cause."""

import json

import msgspec
import pytest

from streams.core.errors import MalformedError
from streams.core.outcome import Command, Notice, Position, Source
from streams.errors import StateError
from streams.records import (
    NextOffsets,
    command_value,
    decode_next,
    encode_next,
    notice_value,
    read_order,
    read_site,
    rejected_value,
)

AT = 1_767_225_600_000


def test_an_order_is_read_with_its_time() -> None:
    order, at = read_order(b'{"order": "tick", "at": "2026-01-01T08:00:00+08:00"}')
    assert order == {"order": "tick", "at": "2026-01-01T08:00:00+08:00"}
    assert at == AT


@pytest.mark.parametrize(
    ("value", "field"),
    [
        pytest.param(None, "", id="no value"),
        pytest.param(b"", "", id="nothing"),
        pytest.param(b"[]", "", id="no object"),
        pytest.param(b'"x"', "", id="a text"),
        pytest.param(b"{", "", id="cut"),
        pytest.param(b"\xff{}", "", id="not UTF-8"),
        pytest.param(b'{"at": NaN}', "", id="a number that JSON does not have"),
        pytest.param(b"[" * 100_000, "", id="nested beyond reason"),
        pytest.param(b'{"a": 1, "a": 1}', "a", id="a name twice"),
        pytest.param(b'{"x": {"b": 1, "b": 2}}', "b", id="a name twice further in"),
        pytest.param(b'{"order": "tick"}', "at", id="no time"),
        pytest.param(b'{"order": "tick", "at": 5}', "at", id="a time that is a number"),
        pytest.param(b'{"order": "tick", "at": "today"}', "at", id="a text that is no time"),
    ],
)
def test_a_malformed_order_names_its_field(value: bytes | None, field: str) -> None:
    with pytest.raises(MalformedError) as refused:
        read_order(value)
    assert refused.value.field == field


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(None, id="none"),
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff", id="not UTF-8"),
        pytest.param(b"a/b", id="a slash"),
        pytest.param(b"a\0", id="a zero byte"),
        pytest.param(b"x" * 256, id="too long"),
    ],
)
def test_a_key_that_is_no_site_is_malformed(key: bytes | None) -> None:
    with pytest.raises(MalformedError, match="key"):
        read_site(key)


def test_a_site_is_its_key() -> None:
    assert read_site("一号园区".encode()) == "一号园区"


def test_next_offsets_go_round() -> None:
    offsets = NextOffsets(frames=5, orders=1 << 40, sequence=7)
    assert decode_next(encode_next(offsets)) == offsets


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xc1", id="no MessagePack"),
        pytest.param(msgspec.msgpack.encode({"frames": 1, "orders": 1}), id="a field missing"),
        pytest.param(encode_next(NextOffsets(1, 1, 1, v=2)), id="another version"),
    ],
)
def test_next_offsets_that_cannot_be_read_stop_the_ledger(value: bytes) -> None:
    with pytest.raises(StateError):
        decode_next(value)


def test_a_command_expires_a_quarter_of_an_hour_after_it_was_issued() -> None:
    command = Command(Position(Source.FRAMES, 3, 1), AT, 0, "cut", "arrears", False, 9)
    value = command_value(command, site="S1", meter="M1", gateway="G1", address="17", template="dtsy1352")
    assert json.loads(value) == {
        "v": 1,
        "site": "S1",
        "gateway": "G1",
        "meter": "M1",
        "address": "17",
        "template": "dtsy1352",
        "sequence": 9,
        "action": "cut",
        "reason": "arrears",
        "repeat": False,
        "issued_at": "2026-01-01T08:00:00+08:00",
        "expires_at": "2026-01-01T08:15:00+08:00",
    }


def test_a_notice_names_its_cause() -> None:
    notice = Notice(Position(Source.ORDERS, 12), AT, 0, "low1")
    assert json.loads(notice_value(notice, site="S1", account="A1", partition=4)) == {
        "v": 1,
        "site": "S1",
        "account": "A1",
        "kind": "low1",
        "at": "2026-01-01T08:00:00+08:00",
        "input": "orders",
        "partition": 4,
        "offset": 12,
        "line": 0,
    }


def test_rejected_bytes_are_kept_as_they_came() -> None:
    value = rejected_value(
        reason="damaged", detail="why", position=Position(Source.FRAMES, 3, 2), partition=1, data=b"\x00\xff"
    )
    assert json.loads(value) == {
        "v": 1,
        "reason": "damaged",
        "detail": "why",
        "input": "frames",
        "partition": 1,
        "offset": 3,
        "line": 2,
        "length": 2,
        "bytes": "00ff",
    }
