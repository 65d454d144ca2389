"""Values of every usual type, there and back through clickhouse-driver."""

import datetime as dt
import ipaddress
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from clickhouse_driver import Client
from numpy.typing import NDArray

SHANGHAI = ZoneInfo("Asia/Shanghai")

CASES: list[tuple[str, list[Any]]] = [
    ("UInt8", [0, 255]),
    ("Int8", [-128, 127]),
    ("UInt16", [0, 65535]),
    ("Int32", [-(2**31), 2**31 - 1]),
    ("UInt64", [0, 2**64 - 1]),
    ("Int64", [-(2**63), 2**63 - 1]),
    ("Int128", [-(2**127), 2**127 - 1]),
    ("UInt256", [0, 2**256 - 1]),
    ("Float32", [0.5, -2.0]),
    ("Float64", [0.1, 1e300]),
    ("Bool", [True, False]),
    ("String", ["", "千瓦时", "x" * 100_000]),
    ("FixedString(4)", ["abcd", "ab"]),
    ("UUID", [uuid.UUID(int=0), uuid.UUID("12345678-1234-5678-1234-567812345678")]),
    ("IPv4", [ipaddress.IPv4Address("192.0.2.1")]),
    ("IPv6", [ipaddress.IPv6Address("2001:db8::1")]),
    ("Date", [dt.date(1970, 1, 1), dt.date(2149, 6, 6)]),
    ("Date32", [dt.date(1925, 1, 1), dt.date(2283, 11, 11)]),
    ("DateTime('UTC')", [dt.datetime(2026, 1, 5, 8, tzinfo=dt.UTC)]),
    ("DateTime('Asia/Shanghai')", [dt.datetime(2026, 1, 5, 8, tzinfo=SHANGHAI)]),
    ("DateTime64(3, 'UTC')", [dt.datetime(2026, 1, 5, 8, 0, 0, 123_000, tzinfo=dt.UTC)]),
    ("DateTime64(6, 'Asia/Shanghai')", [dt.datetime(2026, 1, 5, 8, 0, 0, 123_456, tzinfo=SHANGHAI)]),
    ("Decimal(9, 2)", [Decimal("-1234567.89")]),
    ("Decimal(18, 9)", [Decimal("123456789.123456789")]),
    ("Decimal(38, 9)", [Decimal("-12345678901234567890.123456789")]),
    ("Decimal(76, 2)", [Decimal(10) ** 70]),
    ("Enum8('cut' = -1, 'restore, or (not)' = 2)", ["cut", "restore, or (not)"]),
    ("Enum16('a' = 1000)", ["a"]),
    ("Nullable(UInt32)", [None, 1]),
    ("Nullable(String)", [None, "", "a"]),
    ("Nullable(DateTime('Asia/Shanghai'))", [None, dt.datetime(2026, 1, 5, 8, tzinfo=SHANGHAI)]),
    ("LowCardinality(String)", ["a", "b", "a", ""]),
    ("LowCardinality(Nullable(String))", ["a", None, "a", ""]),
    ("LowCardinality(FixedString(2))", ["ab", "cd"]),
    ("Array(Int64)", [[], [1, 2, 3]]),
    ("Array(Array(Nullable(String)))", [[[]], [["a", None], []]]),
    ("Array(LowCardinality(String))", [[], ["a", "b", "a"]]),
    ("Tuple(UInt8, String)", [(1, "a")]),
    ("Tuple(a Int64, `b c` Array(String))", [(1, ["x", "y"])]),
    ("Map(String, UInt64)", [{}, {"a": 1, "b": 2}]),
    ("Map(LowCardinality(String), Array(Nullable(Decimal(9, 2))))", [{"a": [Decimal("1.50"), None]}]),
    ("Nested(a UInt8, b String)", [[(1, "x"), (2, "y")], []]),
    ("SimpleAggregateFunction(max, UInt64)", [7]),
]


@pytest.fixture(scope="module", params=[False, "lz4"], ids=["plain", "lz4"])
def client(clickhouse: str, request: pytest.FixtureRequest) -> Iterator[Client]:
    with Client.from_url(clickhouse) as first:
        first.execute("CREATE DATABASE IF NOT EXISTS types")
    parts = urlsplit(clickhouse)
    with Client(
        host=parts.hostname,
        port=parts.port or 9000,
        user=parts.username,
        password=parts.password,
        database="types",
        compression=request.param,
        settings={"flatten_nested": 0},
    ) as client:
        yield client
        client.execute("DROP DATABASE types")


@pytest.mark.parametrize(("kind", "values"), CASES, ids=[kind for kind, _ in CASES])
def test_there_and_back(client: Client, kind: str, values: list[Any]) -> None:
    client.execute("DROP TABLE IF EXISTS one")
    client.execute(f"CREATE TABLE one (n UInt32, value {kind}) ENGINE = MergeTree ORDER BY n")
    rows = list(enumerate(values))
    assert client.execute("INSERT INTO one VALUES", rows) == len(rows)
    found, columns = client.execute("SELECT n, value FROM one ORDER BY n", with_column_types=True)
    assert found == [(n, tuple(value) if kind.startswith("Tuple") else value) for n, value in rows]
    assert columns == [("n", "UInt32"), ("value", kind)]


def test_all_types_in_one_block(client: Client) -> None:
    columns = ", ".join(f"c{n} {kind}" for n, (kind, _) in enumerate(CASES))
    client.execute("DROP TABLE IF EXISTS wide")
    client.execute(f"CREATE TABLE wide (n UInt32, {columns}) ENGINE = MergeTree ORDER BY n")
    rows = [(n, *(values[n % len(values)] for _, values in CASES)) for n in range(1000)]
    client.execute("INSERT INTO wide VALUES", rows)
    assert client.execute("SELECT * FROM wide ORDER BY n") == rows


@pytest.mark.parametrize("rows", [0, 1, 12_000], ids=["empty", "small", "large"])
def test_zone_of_a_top_level_datetime_is_told(client: Client, rows: int) -> None:
    """The engine's own output leaves it out; the large answer does not fit into what is held back."""
    found, columns = client.execute(
        f"SELECT toDateTime(number, 'Asia/Shanghai') AS at, number, repeat('x', 1000) FROM numbers({rows}) "
        "SETTINGS max_block_size = 1000",
        with_column_types=True,
    )
    assert columns[:2] == [("at", "DateTime('Asia/Shanghai')"), ("number", "UInt64")]
    assert found == [(dt.datetime.fromtimestamp(n, SHANGHAI), n, "x" * 1000) for n in range(rows)]


def test_columns_of_an_answer_without_rows(client: Client) -> None:
    sql = "SELECT 1::UInt8 AS a, CAST(now(), 'DateTime(\\'UTC\\')') AS b, [1.5] AS c WHERE 0"
    assert client.execute(sql, with_column_types=True) == (
        [],
        [("a", "UInt8"), ("b", "DateTime('UTC')"), ("c", "Array(Float64)")],
    )


def test_types_that_the_driver_cannot_read_pass_unharmed(client: Client) -> None:
    """A state of an aggregate has no layout known to the server; between queries it is at home."""
    client.execute("CREATE OR REPLACE TABLE states (s AggregateFunction(sum, UInt64)) ENGINE = Memory")
    client.execute("INSERT INTO states SELECT sumState(number) FROM numbers(10)")
    assert client.execute("SELECT sumMerge(s) FROM states") == [(45,)]


def numpy_client(clickhouse: str) -> Client:
    parts = urlsplit(clickhouse)
    return Client(
        host=parts.hostname,
        port=parts.port or 9000,
        user=parts.username,
        password=parts.password,
        database=parts.path.removeprefix("/"),
        settings={"use_numpy": True},
    )


def test_numpy_columns(clickhouse: str) -> None:
    length = 100_000
    number = np.arange(length)
    names: NDArray[Any] = np.array([f"M{n:03}" for n in range(100)], dtype=object)
    columns: list[NDArray[Any]] = [
        number,
        (number * 1000).astype("datetime64[ms]"),
        names[number % 100],
        number.astype("f8") / 4,
        (number % 256).astype("u1"),
        np.where(number % 2 == 0, "even", "odd").astype(object),
    ]
    with numpy_client(clickhouse) as client:
        client.execute(
            "CREATE TEMPORARY TABLE columns (n Int64, at DateTime64(3, 'UTC'), meter LowCardinality(String), "
            "kwh Float64, tier UInt8, parity String)"
        )
        assert client.execute("INSERT INTO columns VALUES", columns, columnar=True) == length
        found = client.execute("SELECT * FROM columns ORDER BY n", columnar=True)
        for sent, got in zip(columns, found, strict=True):
            np.testing.assert_array_equal(np.asarray(got).astype(sent.dtype), sent)
        frame = client.query_dataframe("SELECT meter, count() AS readings FROM columns GROUP BY meter ORDER BY meter")
    assert list(frame["meter"]) == sorted(names)
    assert set(frame["readings"]) == {1000}
