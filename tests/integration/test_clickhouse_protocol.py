"""The embedded server's side of the native protocol, as clickhouse-driver and rough clients see it."""

import random
import struct
from collections.abc import Iterator

import pytest
from clickhouse_driver import Client
from clickhouse_driver.errors import ErrorCodes, NetworkError, ServerException

from infra.clickhouse.errors import Code
from infra.clickhouse.protocol import ClientPacket, ServerPacket
from infra.clickhouse.reader import VALUE_LIMIT
from infra.clickhouse.writer import text, varint
from tests.integration.clickhouse_lines import (
    RawLine,
    connect,
    data_head,
    database,
    running,
    wait_until_over,
    wait_until_running,
)


@pytest.fixture(scope="module")
def url(clickhouse: str) -> str:
    return database(clickhouse, "protocol")


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with connect(url) as client:
        yield client


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELCT 1", ErrorCodes.SYNTAX_ERROR),
        ("SELECT * FROM nowhere", ErrorCodes.UNKNOWN_TABLE),
        ("SELECT * FROM nowhere.nothing", ErrorCodes.UNKNOWN_DATABASE),
        ("SELECT nothing", ErrorCodes.UNKNOWN_IDENTIFIER),
        ("SELECT no_such_function(1)", ErrorCodes.UNKNOWN_FUNCTION),
        ("SELECT throwIf(number = 100000) FROM numbers(200000)", 395),
        ("CREATE TABLE t (a UInt8) ENGINE = Nothing", ErrorCodes.UNKNOWN_STORAGE),
        ("INSERT INTO nowhere VALUES (1)", ErrorCodes.UNKNOWN_TABLE),
        ("SELECT 1; SELECT 2", ErrorCodes.SYNTAX_ERROR),
        ("SELECT 1 INTO OUTFILE 'here'", 358),
        ("SET no_such_setting = 1", ErrorCodes.UNKNOWN_SETTING),
        ("", ErrorCodes.SYNTAX_ERROR),
    ],
)
def test_error_has_its_code(client: Client, sql: str, code: int) -> None:
    with pytest.raises(ServerException) as caught:
        client.execute(sql)
    assert caught.value.code == code
    assert "/*" not in caught.value.message


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT \udcff", ErrorCodes.SYNTAX_ERROR),
        ("SELECT nothing, '\udcff'", ErrorCodes.UNKNOWN_IDENTIFIER),
        ("SELECT throwIf(1, '\udcff')", 395),
        ("CREATE TABLE t (a UInt8) ENGINE = Nothing('\udcff')", ErrorCodes.UNKNOWN_STORAGE),
    ],
    ids=["judged", "analysed", "streamed", "run"],
)
def test_an_error_about_what_is_not_utf8_has_its_code(url: str, sql: str, code: int) -> None:
    with RawLine(url) as line:
        line.hello()
        line.query(sql)
        assert line.read_error()[0] == code
        line.send(varint(ClientPacket.PING))
        assert line.read_packet() == ServerPacket.PONG


def test_connection_outlives_errors(url: str) -> None:
    """The driver hangs up after an error by itself, so this is a bare line."""
    with RawLine(url) as line:
        line.hello()
        for _ in range(3):
            line.query("SELECT nothing")
            assert line.read_error()[0] == ErrorCodes.UNKNOWN_IDENTIFIER
        line.send(varint(ClientPacket.PING))
        assert line.read_packet() == ServerPacket.PONG


@pytest.mark.parametrize(
    ("options", "code"),
    [
        pytest.param({"password": "wrong"}, 516, id="password"),
        pytest.param({"user": "nobody"}, 516, id="user"),
        pytest.param({"database": "nowhere"}, ErrorCodes.UNKNOWN_DATABASE, id="database"),
    ],
)
def test_refused_at_the_door(url: str, options: dict[str, object], code: int) -> None:
    with connect(url, **options) as client, pytest.raises(ServerException) as caught:
        client.execute("SELECT 1")
    assert caught.value.code == code


def test_statements_with_and_without_an_answer(client: Client) -> None:
    client.execute("CREATE TABLE things (a UInt8, b String DEFAULT 'none') ENGINE = MergeTree ORDER BY a")
    assert client.execute("SHOW TABLES", with_column_types=True) == ([("things",)], [("name", "String")])
    assert client.execute("SHOW TABLES LIKE 'x'", with_column_types=True) == ([], [("name", "String")])
    assert client.execute("EXISTS things") == [(1,)]
    assert client.execute("INSERT INTO things (a) VALUES (1), (2)") == []
    assert client.execute("INSERT INTO things (a) SELECT 3") == []
    assert client.execute("INSERT INTO things (b, a) VALUES", [("four", 4)]) == 1
    assert client.execute("-- all\nSELECT a, b FROM things ORDER BY a FORMAT JSON;") == [
        (1, "none"),
        (2, "none"),
        (3, "none"),
        (4, "four"),
    ]
    assert client.execute("EXPLAIN SELECT 1")
    assert client.execute("OPTIMIZE TABLE things FINAL") == []
    assert client.execute("DROP TABLE things SYNC") == []


@pytest.mark.parametrize(
    ("sql", "rows", "code"),
    [
        pytest.param("INSERT INTO checked (a, nothing) VALUES", [(1, 1)], 16, id="unknown column"),
        pytest.param("INSERT INTO nowhere VALUES", [(1,)], 60, id="unknown table"),
        pytest.param("INSERT INTO checked (a) VALUES", [(1,), (200,)], 469, id="constraint"),
        pytest.param("INSERT INTO FUNCTION null('a UInt8') VALUES", [(1,)], 48, id="function"),
    ],
)
def test_insert_that_is_refused_leaves_nothing(url: str, sql: str, rows: list[tuple[int]], code: int) -> None:
    with connect(url) as client:
        client.execute("CREATE TABLE IF NOT EXISTS checked (a UInt8, CONSTRAINT c CHECK a < 100) ENGINE = Memory")
        with pytest.raises(ServerException) as caught:
            client.execute(sql, rows)
        assert caught.value.code == code
        assert "/proc" not in caught.value.message
        assert client.execute("SELECT count() FROM checked") == [(0,)]


def test_computed_columns_are_not_asked_for(client: Client) -> None:
    client.execute(
        "CREATE TEMPORARY TABLE computed (a UInt8, e UInt8 EPHEMERAL, b UInt8 MATERIALIZED a + 1, "
        "c UInt8 ALIAS a + 2, d UInt8 DEFAULT a + e)"
    )
    client.execute("INSERT INTO computed (a, d) VALUES", [(1, 2)])
    client.execute("INSERT INTO computed (a, e) VALUES", [(2, 5)])
    client.execute("INSERT INTO computed VALUES", [(3, 4)])
    client.execute("INSERT INTO computed (* EXCEPT(d)) VALUES", [(4,)])
    assert client.execute("SELECT a, b, c, d FROM computed ORDER BY a") == [
        (1, 2, 3, 2),
        (2, 3, 4, 7),
        (3, 4, 5, 4),
        (4, 5, 6, 4),
    ]


def test_setting_of_a_query_is_gone_after_it(client: Client) -> None:
    ask = "SELECT getSetting('max_block_size'), getSetting('join_use_nulls')"
    usual = client.execute(ask)
    assert client.execute(ask, settings={"max_block_size": 7, "join_use_nulls": True}) == [(7, True)]
    assert client.execute(ask) == usual
    client.execute("SET max_block_size = 9")
    assert client.execute(ask, settings={"max_block_size": 8})[0][0] == 8
    assert client.execute(ask)[0][0] == 9


def test_wrong_and_unknown_settings(url: str, client: Client) -> None:
    with pytest.raises(ServerException) as caught:
        client.execute("SELECT 1", settings={"max_threads": "many"})
    assert caught.value.code in (ErrorCodes.CANNOT_PARSE_NUMBER, ErrorCodes.CANNOT_PARSE_TEXT, 27, 72)
    assert client.execute("SELECT 1", settings={"no_such_setting": 1}) == [(1,)]
    with connect(url, settings_is_important=True) as strict, pytest.raises(ServerException) as caught:
        strict.execute("SELECT 1", settings={"no_such_setting": 1})
    assert caught.value.code == ErrorCodes.UNKNOWN_SETTING


@pytest.mark.parametrize(
    "sql", ["CREATE TABLE t (a UInt8) ENGINE = Memory", "SET max_threads = 1", "SYSTEM FLUSH LOGS"]
)
def test_readonly_holds_for_its_query(client: Client, sql: str) -> None:
    with pytest.raises(ServerException) as caught:
        client.execute(sql, settings={"readonly": 1})
    assert caught.value.code == ErrorCodes.READONLY
    assert client.execute("SELECT 1", settings={"readonly": 1}) == [(1,)]
    assert client.execute("SET max_threads = 1", settings={"readonly": 2}) == []
    assert client.execute("SET max_threads = 1") == []


def test_external_tables_are_there_for_one_query(client: Client) -> None:
    tables = [
        {"name": "some", "structure": [("a", "Int32"), ("b", "Array(String)")], "data": [{"a": 1, "b": ["x"]}]},
        {"name": "none", "structure": [("a", "Int32")], "data": []},
    ]
    sql = "SELECT a, b FROM some WHERE a NOT IN (SELECT a FROM none)"
    for _ in range(2):
        assert client.execute(sql, external_tables=tables) == [(1, ["x"])]
    with pytest.raises(ServerException) as caught:
        client.execute(sql)
    assert caught.value.code == ErrorCodes.UNKNOWN_TABLE


def test_session_keeps_its_database_and_temporary_tables(url: str) -> None:
    with connect(url) as one, connect(url) as other:
        one.execute("CREATE TEMPORARY TABLE mine (a UInt8)")
        one.execute("INSERT INTO mine VALUES", [(1,)])
        one.execute("USE system")
        assert one.execute("SELECT a, currentDatabase() FROM mine") == [(1, "system")]
        assert other.execute("SELECT currentDatabase()") == [("protocol",)]
        with pytest.raises(ServerException):
            other.execute("SELECT a FROM mine")


def test_progress_comes_while_the_query_runs(url: str) -> None:
    with RawLine(url) as line:
        line.hello()
        line.query("SELECT count() FROM numbers(1000000000000)")
        assert line.read_packet() == ServerPacket.PROGRESS


def test_progress_and_profile(client: Client) -> None:
    progress = client.execute_with_progress("SELECT number FROM numbers(100000)")
    assert list(progress)[-1][0] == 100_000
    assert len(progress.get_result()) == 100_000
    assert client.last_query.profile_info.rows == 100_000
    assert list(client.execute_iter("SELECT number FROM numbers(5)")) == [(n,) for n in range(5)]


@pytest.mark.parametrize("revision", [54058, 54380, 54406, 54420, 54429])
def test_older_forms_of_the_protocol(url: str, revision: int) -> None:
    with connect(url, client_revision=revision) as client:
        assert client.execute("SELECT getSetting('max_block_size')", settings={"max_block_size": 3}) == [(3,)]
        client.execute("CREATE TEMPORARY TABLE old (a UInt8)")
        assert client.execute("INSERT INTO old VALUES", [(1,), (2,)], settings={"max_threads": 1}) == 2
        assert client.execute("SELECT sum(a) FROM old") == [(3,)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count() FROM numbers(1000000000000)",
        "SELECT number FROM numbers(1000000000000) WHERE number % 1000 = 0",
        "CREATE TABLE never ENGINE = Memory AS SELECT number FROM numbers(1000000000000) WHERE number % 100000 = 0",
    ],
    ids=["before the first block", "between blocks", "not a select"],
)
def test_cancel(url: str, sql: str) -> None:
    with RawLine(url) as line, connect(url) as other:
        line.hello()
        line.query(sql)
        wait_until_running(other, sql)
        line.send(varint(ClientPacket.CANCEL))
        assert list(line.answer())[-1] == ServerPacket.END_OF_STREAM
        line.send(varint(ClientPacket.PING))
        assert line.read_packet() == ServerPacket.PONG
        assert not running(other, sql)


def test_cancel_on_the_heels_of_the_query(url: str) -> None:
    with RawLine(url) as line:
        line.hello()
        line.query("SELECT count() FROM numbers(1000000000000)")
        line.send(varint(ClientPacket.CANCEL))
        assert list(line.answer())[-1] == ServerPacket.END_OF_STREAM


def test_who_sends_ahead_and_leaves_takes_the_query_along(url: str) -> None:
    sql = "SELECT count() FROM numbers(1000000000002)"
    with RawLine(url) as line, connect(url) as other:
        line.hello()
        line.query(sql)
        wait_until_running(other, sql)
        line.send(varint(ClientPacket.PING))
        # Behind an answer of another line, so that the server has looked at what was sent ahead.
        assert other.execute("SELECT sleep(0.1)") == [(0,)]
        line.reset()
        wait_until_over(other, sql)


def test_driver_cancels_and_goes_on(client: Client) -> None:
    rows = client.execute_iter("SELECT number FROM numbers(1000000000000)")
    assert next(rows) == (0,)
    client.cancel()
    assert client.execute("SELECT 1") == [(1,)]


def test_kill_query_of_another_client(url: str) -> None:
    sql = "SELECT count() FROM numbers(1000000000001)"
    with RawLine(url) as line, connect(url) as other:
        line.hello()
        line.query(sql)
        wait_until_running(other, sql)
        other.execute("KILL QUERY WHERE query LIKE '%1000000000001%' AND query NOT LIKE 'KILL%' SYNC")
        assert line.read_error()[0] == 394


def hello(*, revision: bytes = varint(54429), user: bytes = text("default"), password: bytes = text("")) -> bytes:
    return b"".join((varint(0), text("test"), varint(1), varint(1), revision, text(""), user, password))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", Code.UNEXPECTED_PACKET_FROM_CLIENT, id="HTTP"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01", Code.UNEXPECTED_PACKET_FROM_CLIENT, id="TLS"),
        pytest.param(b"\xff" * 100, Code.INCORRECT_DATA, id="endless number"),
        pytest.param(b"\0" + varint(VALUE_LIMIT), Code.TOO_LARGE_STRING_SIZE, id="long name"),
        pytest.param(varint(ClientPacket.PING), Code.UNEXPECTED_PACKET_FROM_CLIENT, id="ping first"),
        pytest.param(hello(user=text("d\0' OR 1")), Code.AUTHENTICATION_FAILED, id="strange user"),
        pytest.param(hello(password=varint(2) + b"\xff\xfe"), Code.AUTHENTICATION_FAILED, id="password in bytes"),
    ],
)
def test_garbage_at_the_door(url: str, data: bytes, code: Code) -> None:
    with RawLine(url) as line:
        line.send(data)
        assert line.read_error()[0] == code
        assert line.is_closed()


QUERY_HEAD = varint(ClientPacket.QUERY) + text("") + b"\0"
INSERT_HEAD = QUERY_HEAD + text("") + varint(2)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(varint(77), Code.UNEXPECTED_PACKET_FROM_CLIENT, id="unknown packet"),
        pytest.param(data_head() + b"\0\0", Code.UNEXPECTED_PACKET_FROM_CLIENT, id="data out of turn"),
        pytest.param(QUERY_HEAD + varint(VALUE_LIMIT + 1), Code.TOO_LARGE_STRING_SIZE, id="long setting"),
        pytest.param(QUERY_HEAD + text("") + varint(2) + varint(9), Code.INCORRECT_DATA, id="compression"),
        pytest.param(
            varint(ClientPacket.QUERY) + text("") + b"\1" + text("") * 3 + b"\x63", Code.INCORRECT_DATA, id="interface"
        ),
        pytest.param(
            INSERT_HEAD + varint(0) + text("SELECT 1") + varint(ClientPacket.PING),
            Code.UNEXPECTED_PACKET_FROM_CLIENT,
            id="no data behind the query",
        ),
        pytest.param(
            INSERT_HEAD + varint(0) + text("SELECT 1") + data_head("t") + varint(1) + varint(1) + text("a") + text("X"),
            Code.UNKNOWN_TYPE,
            id="external table of no type",
        ),
        pytest.param(
            INSERT_HEAD + varint(1) + text("SELECT 1") + varint(ClientPacket.DATA) + text("") + bytes(25),
            Code.CANNOT_DECOMPRESS,
            id="not a frame",
        ),
        pytest.param(
            INSERT_HEAD
            + varint(1)
            + text("SELECT 1")
            + varint(ClientPacket.DATA)
            + text("")
            + bytes(16)
            + struct.pack("<BII", 0x82, 12, 3)
            + b"abc",
            Code.CHECKSUM_DOESNT_MATCH,
            id="frame of another checksum",
        ),
    ],
)
def test_garbage_behind_the_door(url: str, data: bytes, code: Code) -> None:
    with RawLine(url) as line:
        line.hello()
        line.send(data)
        assert line.read_error()[0] == code
        assert line.is_closed()


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(varint(1 << 50) + varint(1), id="columns"),
        pytest.param(varint(1) + varint(1 << 60), id="rows"),
        pytest.param(varint(1) + varint(1) + text("a") + text("String") + varint(1 << 40), id="long text"),
        pytest.param(varint(1) + varint(1) + text("a") + text("Variant(UInt8)"), id="type"),
    ],
)
def test_garbage_among_rows_ends_the_insert(url: str, client: Client, block: bytes) -> None:
    client.execute("CREATE TABLE IF NOT EXISTS target (a UInt8) ENGINE = Memory")
    with RawLine(url) as line:
        line.hello()
        line.query("INSERT INTO target VALUES")
        assert line.read_packet() == ServerPacket.DATA
    with RawLine(url) as line:
        line.hello()
        line.query("INSERT INTO target VALUES")
        line.send(data_head(), varint(1), varint(1), text("a"), text("UInt8"), b"\1", data_head(), block)
        packets = line.answer()
        assert next(packets) == ServerPacket.DATA
        assert next(packets) == ServerPacket.EXCEPTION
    assert client.execute("SELECT count() FROM target") == [(0,)]


def test_rows_of_another_type_than_asked_for_are_converted_or_refused(url: str, client: Client) -> None:
    client.execute("CREATE TABLE typed (a UInt8) ENGINE = Memory")
    for kind, value, good in (("UInt16", b"\7\0", True), ("String", b"\1x", False)):
        with RawLine(url) as line:
            line.hello()
            line.query("INSERT INTO typed VALUES")
            line.send(data_head(), varint(1), varint(1), text("a"), text(kind), value, data_head(), b"\0\0")
            assert (list(line.answer())[-1] == ServerPacket.END_OF_STREAM) is good
    assert client.execute("SELECT a FROM typed") == [(7,)]


@pytest.mark.parametrize(
    "columns",
    [["x", "y"], ["a"], ["a", "b", "c"], ["A", "b"], ["a", "a"]],
    ids=["others", "one missing", "one more", "other case", "one twice"],
)
def test_rows_of_other_columns_than_asked_for_are_refused(url: str, client: Client, columns: list[str]) -> None:
    """What has no column in the table, and the reverse, must not be acknowledged as if it were in."""
    client.execute("CREATE OR REPLACE TABLE named (a UInt8, b UInt8) ENGINE = MergeTree ORDER BY a")
    good = varint(2) + varint(1) + text("b") + text("UInt8") + b"\2" + text("a") + text("UInt8") + b"\1"
    block = varint(len(columns)) + varint(1) + b"".join(text(name) + text("UInt8") + b"\7" for name in columns)
    for blocks, rows in (((good, block), []), ((good,), [(1, 2)])):
        with RawLine(url) as line:
            line.hello()
            line.query("INSERT INTO named VALUES")
            line.send(*(data_head() + each for each in blocks), data_head(), b"\0\0")
            end = ServerPacket.END_OF_STREAM if rows else ServerPacket.EXCEPTION
            assert list(line.answer())[-1] == end
        assert client.execute("SELECT a, b FROM named") == rows


def test_noise_never_takes_the_server_down(url: str, client: Client) -> None:
    noise = random.Random(7)
    for n in range(200):
        with RawLine(url) as line:
            if n % 2:
                line.hello()
            line.send(noise.randbytes(noise.randrange(1, 3000)))
            line.reset()
    assert client.execute("SELECT 1") == [(1,)]


def test_nothing_listens_elsewhere(url: str) -> None:
    """Loopback only: the other addresses of this machine refuse."""
    with connect(url, host="127.0.0.2") as client, pytest.raises(NetworkError):
        client.execute("SELECT 1")
