"""Types by name, and the walk over their columns."""

import struct

import pytest

from infra.clickhouse.columns import (
    Array,
    ColumnType,
    Fixed,
    LowCardinality,
    Nullable,
    Text,
    Tuple,
    parse_type,
    split_arguments,
)
from infra.clickhouse.errors import Code, ServerError
from infra.clickhouse.reader import BytesSource, WireReader


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("UInt8", Fixed(1)),
        ("Int256", Fixed(32)),
        ("DateTime", Fixed(4)),
        ("DateTime('Asia/Shanghai')", Fixed(4)),
        ("DateTime64(3, 'UTC')", Fixed(8)),
        ("FixedString(11)", Fixed(11)),
        ("Decimal(9, 2)", Fixed(4)),
        ("Decimal(18, 9)", Fixed(8)),
        ("Decimal(38, 9)", Fixed(16)),
        ("Decimal(76, 9)", Fixed(32)),
        ("Decimal64(4)", Fixed(8)),
        ("Enum8('a' = 1, 'b)(' = 2)", Fixed(1)),
        ("IntervalDay", Fixed(8)),
        ("String", Text()),
        ("Nullable(String)", Nullable(Text())),
        ("Array(Array(UInt16))", Array(Array(Fixed(2)))),
        ("Map(String, UInt64)", Array(Tuple((Text(), Fixed(8))))),
        ("Tuple(UInt8, String)", Tuple((Fixed(1), Text()))),
        ("Tuple(a UInt8, `b c` Tuple(x String))", Tuple((Fixed(1), Tuple((Text(),))))),
        ("Tuple()", Tuple(())),
        ("Nested(a UInt8, b String)", Array(Tuple((Fixed(1), Text())))),
        ("LowCardinality(String)", LowCardinality(Text())),
        ("LowCardinality(Nullable(String))", LowCardinality(Text())),
        ("SimpleAggregateFunction(max, UInt64)", Fixed(8)),
        ("Point", Tuple((Fixed(8), Fixed(8)))),
        ("Polygon", Array(Array(Tuple((Fixed(8), Fixed(8)))))),
    ],
)
def test_type_by_name(name: str, layout: ColumnType) -> None:
    assert parse_type(name) == layout


@pytest.mark.parametrize(
    "name",
    [
        "Variant(UInt8, String)",
        "AggregateFunction(sum, UInt64)",
        "JSON",
        "uint8",
        "",
        "Array",
        "Array(",
        "Array()",
        "FixedString(x)",
        "FixedString(0)",
        "FixedString(-6)",
        "Decimal(77, 1)",
        "Map(String)",
        "Array(" * 100 + "UInt8" + ")" * 100,
    ],
)
def test_type_that_cannot_be_walked_is_an_error_with_a_code(name: str) -> None:
    with pytest.raises(ServerError) as caught:
        parse_type(name)
    assert caught.value.code == Code.UNKNOWN_TYPE


def u64(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}Q", *numbers)


@pytest.mark.parametrize(
    ("name", "rows", "data"),
    [
        pytest.param("UInt32", 3, bytes(12), id="fixed"),
        pytest.param("Nullable(UInt16)", 2, b"\0\1" + bytes(4), id="nullable"),
        pytest.param("Array(UInt8)", 3, u64(1, 1, 3) + b"abc", id="array"),
        pytest.param("Array(UInt8)", 0, b"", id="array without rows"),
        pytest.param("Map(String, UInt8)", 1, u64(2) + b"\1a\1b" + b"\1\2", id="map"),
        pytest.param("Tuple()", 3, bytes(3), id="tuple of nothing"),
        pytest.param("LowCardinality(String)", 0, u64(1), id="dictionary without rows"),
        pytest.param(
            "LowCardinality(String)", 3, u64(1, 0x600, 2) + b"\0\1a" + u64(3) + bytes(3), id="dictionary, keys of 1"
        ),
        pytest.param(
            "LowCardinality(String)", 2, u64(1, 0x601, 1) + b"\0" + u64(2) + bytes(4), id="dictionary, keys of 2"
        ),
        pytest.param(
            "Array(LowCardinality(String))", 1, u64(1) + u64(1) + u64(0x600, 1) + b"\1a" + u64(1) + b"\0", id="nested"
        ),
    ],
)
def test_walk_takes_exactly_the_column(name: str, rows: int, data: bytes) -> None:
    reader = WireReader(BytesSource(data + b"*"))
    layout = parse_type(name)
    layout.skip_prefix(reader)
    layout.skip(reader, rows)
    assert reader.byte() == ord("*")


def test_dictionary_with_keys_of_no_known_width() -> None:
    reader = WireReader(BytesSource(u64(1, 0x604)))
    layout = parse_type("LowCardinality(String)")
    layout.skip_prefix(reader)
    with pytest.raises(ServerError) as caught:
        layout.skip(reader, 1)
    assert caught.value.code == Code.INCORRECT_DATA


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("", []),
        ("a, b", ["a", "b"]),
        ("'a,(' , b", ["'a,('", "b"]),
        (r"'a\',b', c", [r"'a\',b'", "c"]),
        ("`a,b`, Tuple(c, d)", ["`a,b`", "Tuple(c, d)"]),
        ("'open", ["'open"]),
    ],
)
def test_arguments(text: str, arguments: list[str]) -> None:
    assert split_arguments(text) == arguments
