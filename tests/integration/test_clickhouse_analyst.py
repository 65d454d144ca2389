"""The user for analysts reads every table of the product, writes none, and finds no way out of the database."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from clickhouse_driver import Client
from clickhouse_driver.errors import ServerException

from infra.clickhouse.analyst import SETTINGS
from infra.clickhouse.protocol import ClientPacket
from infra.clickhouse.users import analyst_url
from infra.clickhouse.writer import text, varint
from infra.endpoints import read_record
from infra.settings import Settings
from tests.integration.clickhouse_lines import RawLine, connect, data_head

DENIED = {164, 497}
SECRET = "what an analyst must not see"


@pytest.fixture(scope="module")
def analyst(settings: Settings, clickhouse: str) -> str:
    if settings.clickhouse:
        pytest.skip("users of a server of one's own are that server's affair")
    record = read_record(settings, "clickhouse")
    assert record is not None
    return analyst_url(settings.data_dir / "clickhouse", record.ports["clickhouse"], settings.database)


@pytest.fixture
def client(analyst: str) -> Iterator[Any]:
    with Client.from_url(analyst) as client:
        yield client


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("secret") / "secret.txt"
    path.write_text(SECRET + "\n")
    return path


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count() FROM readings",
        "WITH days AS (SELECT * FROM account_day) SELECT account, sum(deducted_nano) FROM days GROUP BY account",
        "SELECT sum(number) FROM numbers(10)",
        "SELECT * FROM view(SELECT 1 AS x)",
        "SELECT 'file(1)', $$'$$ AS `default.x` FROM readings WHERE meter = '\\nFunction file (children 1)' LIMIT 1",
        "SELECT name FROM system.columns WHERE table = 'readings'",
        "DESCRIBE readings",
        "SHOW TABLES",
        "SHOW SETTINGS LIKE 'max_threads'",
        "SELECT sum(consumption_milli) AS aircon, 1 AS air FROM readings",
        "SELECT name FROM system.settings WHERE name = 'max_threads'",
        "SHOW CREATE TABLE readings",
        "EXPLAIN SELECT * FROM meter_day",
        "SELECT * APPLY(toString) FROM (SELECT 1)",
        "SELECT arrayMap(upper, ['a']), 'it''s a file(1)', 1 AS default",
        "SHOW TABLES LIKE 'read%' LIMIT 3",
        "SHOW COLUMNS FROM readings",
    ],
)
def test_reading_is_allowed(client: Any, sql: str) -> None:
    assert isinstance(client.execute(sql), list)


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO entries (site) SELECT 'S1'",
        "INSERT INTO FUNCTION file('{path}.out', 'CSV', 'a UInt8') SELECT 1",
        "CREATE TABLE mine (a UInt8) ENGINE = Memory",
        "CREATE TEMPORARY TABLE mine (a UInt8) ENGINE = File(CSV, '{path}')",
        "CREATE FUNCTION mine AS x -> file(x)",
        "ALTER TABLE readings DELETE WHERE 1",
        "DROP TABLE readings",
        "TRUNCATE TABLE readings",
        "OPTIMIZE TABLE readings",
        "SYSTEM STOP MERGES readings",
        "KILL QUERY WHERE 1",
        "SET max_threads = 1",
        "USE default",
        "BACKUP TABLE readings TO File('{path}.backup')",
        "SELECT 1 INTO OUTFILE '{path}.out'",
    ],
)
def test_changing_is_refused(client: Any, secret: Path, sql: str) -> None:
    with pytest.raises(ServerException) as caught:
        client.execute(sql.format(path=secret))
    assert caught.value.code in {*DENIED, 358}
    assert [path.name for path in secret.parent.iterdir()] == [secret.name]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM file('{path}', 'LineAsString')",
        "SELECT * FROM FILE('{path}', 'LineAsString')",
        "SELECT * FROM `file`('{path}', 'LineAsString')",
        "SELECT * FROM file /* so */ ('{path}', 'LineAsString')",
        "SELECT $$'$$, file('{path}') --'",
        "SELECT file('{path}')",
        "SELECT 1 WHERE '{secret}' IN (SELECT * FROM file('{path}', 'LineAsString'))",
        "SELECT * FROM view(SELECT * FROM file('{path}', 'LineAsString'))",
        "WITH a AS (SELECT file('{path}') AS x) SELECT x FROM a",
        "SELECT * FROM eval('SELECT file(\\'{path}\\')')",
        "SELECT * FROM default.`{path}`",
        "SELECT * FROM `default`.`{path}`",
        "SELECT '{secret}' IN default.`{path}`",
        "DESCRIBE default.`{path}`",
        "SHOW TABLES FROM default",
        "DESCRIBE file('{path}')",
        "EXPLAIN SELECT file('{path}')",
        "SELECT * FROM filesystem('{folder}')",
        "SELECT * FROM merge('default', '.*')",
        "SELECT 1 FORMAT `Template`",
        "SELECT 1 FORMAT /**/ Template",
        "DESCRIBE readings FORMAT `template`",
        "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')",
        "SELECT * FROM remote('127.0.0.1:1', system.one)",
        "SELECT * FROM s3('http://127.0.0.1:1/x', 'CSV', 'a String')",
        "SELECT * FROM executable('x', 'CSV', 'a String')",
        "SELECT * FROM sqlite('{path}', 'a')",
        "SELECT * FROM python('x')",
        "SELECT formatRow('CSV', 1)",
        "SELECT formatRowNoNewline('Template', 1)",
        "SELECT * APPLY(file) FROM (SELECT '{path}')",
        "SELECT * APPLY `file` FROM (SELECT '{path}')",
        "SELECT COLUMNS('a') APPLY file FROM (SELECT '{path}' AS a)",
        "SELECT * APPLY(topK(toUInt8(length(file('{path}'))))) FROM numbers(3)",
        "SELECT * APPLY(topK((SELECT count() FROM file('{path}')))) FROM numbers(3)",
        "SELECT * APPLY(topK((SELECT count() FROM default.`{path}`))) FROM numbers(3)",
        "SELECT arrayMap(file, ['{path}'])",
        "SELECT arrayMap(`file`, ['{path}'])",
        "SELECT hasColumnInTable('default', '{path}', 'c1')",
        "SELECT joinGet('readings', 'a', 1)",
        "SELECT a, b FROM values('a String, b String ALIAS file(\\'{path}\\')', ('x'))",
        "SELECT a, b FROM values(concat('a String, b String ALIAS fi', 'le(\\'{path}\\')'), ('x'))",
        "SELECT a, b FROM format(CSV, 'a String, b String ALIAS file(\\'{path}\\')', 'x')",
        "SELECT * FROM format(JSONEachRow, 'a String, b String DEFAULT file(\\'{path}\\')', '{{}}')",
        "SELECT a, b FROM generateRandom('a String, b String ALIAS file(\\'{path}\\')') LIMIT 1",
        "SELECT b FROM null('a String, b String ALIAS file(\\'{path}\\')')",
        "SHOW TABLES WHERE throwIf(1, file('{path}'))",
        "SHOW TABLES WHERE name IN default.`{path}`",
        "SHOW TABLES LIMIT length(file('{path}'))",
        "SHOW COLUMNS FROM readings WHERE throwIf(1, file('{path}'))",
        "SHOW INDEX FROM readings WHERE throwIf(1, file('{path}'))",
    ],
)
def test_ways_out_are_refused(client: Any, secret: Path, sql: str) -> None:
    with pytest.raises(ServerException) as caught:
        client.execute(sql.format(path=secret, folder=secret.parent, secret=SECRET))
    assert caught.value.code in DENIED
    assert "not for the user analyst" in caught.value.message


def test_the_product_reads_what_the_analyst_may_not(clickhouse: str, secret: Path) -> None:
    """So that the refusals above are of the user, not of the engine."""
    with Client.from_url(clickhouse) as client:
        assert client.execute(f"SELECT * FROM file('{secret}', 'LineAsString')") == [(SECRET,)]
        assert client.execute(f"SELECT file('{secret}')") == [(SECRET + "\n",)]


def test_the_clients_settings_do_not_lift_it(client: Any) -> None:
    with pytest.raises(ServerException) as caught:
        client.execute("CREATE TABLE mine (a UInt8) ENGINE = Memory", settings={"readonly": 0})
    assert caught.value.code in DENIED


DANGEROUS = {
    "additional_result_filter": "throwIf(1, file('{path}')) = 0",
    "additional_table_filters": "{{'sluice.readings': 'throwIf(1, file(\\'{path}\\')) = 0'}}",
    "format_schema_source": "query",
    "format_schema": "SELECT throwIf(1, file('{path}'))",
    "format_template_row": "{path}",
    "format_template_resultset": "{path}",
    "format_avro_schema_registry_url": "http://127.0.0.1:1",
    "output_format_schema": "{path}",
    "dialect": "kusto",
    "nothing_like_it": "1",
}
"""Settings that hold SQL, files' names or addresses, or that are not known."""


@pytest.mark.parametrize("name", DANGEROUS)
def test_a_setting_is_no_way_out(client: Any, secret: Path, name: str) -> None:
    value = DANGEROUS[name].format(path=secret)
    with pytest.raises(ServerException) as caught:
        client.execute("SELECT count() FROM readings", settings={name: value})
    assert (caught.value.code, SECRET in caught.value.message) == (164, False)
    assert secret.read_text() == SECRET + "\n"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 SETTINGS {setting}",
        "SELECT * FROM (SELECT 1 SETTINGS {setting})",
        "WITH (SELECT 1 SETTINGS {setting}) AS x SELECT x",
        "SELECT 1 UNION ALL SELECT 1 SETTINGS {setting}",
        "SELECT * FROM view(SELECT 1 SETTINGS {setting})",
        "SELECT $$'$$, 1 SETTINGS {setting} --'",
        "SELECT 1 /**/ settings /**/ {setting}",
        "SELECT * APPLY(topK((SELECT 3 SETTINGS {setting}))) FROM numbers(3)",
        "EXPLAIN SELECT 1 SETTINGS {setting}",
        "DESCRIBE readings SETTINGS {setting}",
        "SHOW TABLES SETTINGS {setting}",
        # What APPLY holds is not in the tree; names in parts and settings without a value are written as they came.
        "SELECT * APPLY(x -> (SELECT 1 SETTINGS a.b = 1, {setting})) FROM numbers(1)",
        "SELECT * APPLY(x -> (SELECT 1 SETTINGS use_uncompressed_cache, {setting})) FROM numbers(1)",
        "SELECT * APPLY(topK((SELECT 3 SETTINGS a.b = 1, {setting}))) FROM numbers(3)",
    ],
)
def test_a_statement_brings_no_settings(client: Any, secret: Path, sql: str) -> None:
    for setting in (f"additional_result_filter = 'throwIf(1, file(\\'{secret}\\')) = 0'", "max_threads = 1"):
        with pytest.raises(ServerException) as caught:
            client.execute(sql.format(setting=setting))
        assert (caught.value.code, SECRET in caught.value.message) == (164, False)


PARSERS_LIMITS = [
    "max_query_size",
    "max_parser_depth",
    "max_parser_backtracks",
    "max_ast_depth",
    "max_ast_elements",
    "max_expanded_ast_elements",
]


@pytest.mark.parametrize("name", PARSERS_LIMITS)
def test_the_parsers_limits_stay(client: Any, name: str) -> None:
    """With them lifted, a sum of 200,000 ones ends the server."""
    with pytest.raises(ServerException) as caught:
        client.execute("SELECT 1", settings={name: 10_000_000})
    assert caught.value.code == 164


HARMLESS_TEXTS = {"network_compression_method", "log_comment", "output_format_pretty_grid_charset"}


def test_an_allowed_setting_is_a_number_or_a_word(clickhouse: str) -> None:
    """What may hold any text is on the list by its whole name, so that an engine's new settings are looked at."""
    with Client.from_url(clickhouse) as client:
        texts = client.execute("SELECT name FROM system.settings WHERE type IN ('String', 'Map', 'URI')")
    assert {name for (name,) in texts if SETTINGS.fullmatch(name)} <= HARMLESS_TEXTS


def test_settings_that_limit_a_query_come_with_it(client: Any) -> None:
    settings = {"max_threads": 1, "max_rows_to_read": 2, "session_timezone": "Asia/Shanghai", "join_use_nulls": 1}
    assert client.execute("SELECT timezone(), getSetting('max_threads')", settings=settings) == [("Asia/Shanghai", 1)]
    with pytest.raises(ServerException, match="Limit for rows"):
        client.execute("SELECT number FROM numbers(3)", settings=settings)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM {folder:Identifier}.{path:Identifier}",
        "SELECT arrayMap({function:Identifier}, [{path:String}])",
        "SHOW TABLES WHERE name IN {folder:Identifier}.{path:Identifier}",
        "SELECT {n:Enum8($$'$$ = 1)}, arrayMap(file, ['a'])",
        "SELECT {n:UInt8 /* ' */}, arrayMap(file, ['a'])",
    ],
)
def test_a_parameter_names_no_way_out(client: Any, secret: Path, sql: str) -> None:
    given = {"param_folder": "default", "param_path": str(secret), "param_function": "file", "param_n": "1"}
    with pytest.raises(ServerException) as caught:
        client.execute(sql, settings=given)
    assert (caught.value.code in DENIED, SECRET in caught.value.message) == (True, False)


def test_a_parameter_may_be_of_many_types(client: Any) -> None:
    sql = "SELECT {a:Array(String)}, {b:Nullable(DateTime64(3, 'UTC'))}, {c:Enum8('x' = 1)}, {d:Decimal(9, 2)}"
    given = {"param_a": "['x']", "param_b": "2026-01-01 00:00:00", "param_c": "x", "param_d": "1.5"}
    assert client.execute(sql, settings=given)[0][0] == ["x"]


def test_limits_of_an_answer_are_none_of_its_judgement(client: Any, secret: Path) -> None:
    assert client.execute("SELECT number FROM numbers(9)", settings={"limit": 1, "offset": 2}) == [(2,)]
    for settings in ({"limit": 0}, {"offset": 1}, {"max_result_rows": 1, "result_overflow_mode": "break"}):
        with pytest.raises(ServerException) as caught:
            client.execute(f"SELECT arrayMap(file, ['{secret}'])", settings=settings)
        assert caught.value.code in DENIED


def test_rows_sent_along_are_refused(client: Any) -> None:
    tables = [{"name": "mine", "structure": [("a", "UInt8")], "data": [{"a": 1}]}]
    with pytest.raises(ServerException) as caught:
        client.execute("SELECT * FROM mine", external_tables=tables)
    assert caught.value.code in DENIED


NAMELESS = data_head() + varint(1) + varint(1 << 30) + text("a") + text("UInt8")


@pytest.mark.parametrize("head", [data_head("mine"), NAMELESS], ids=["named", "nameless"])
def test_rows_that_come_along_are_not_waited_for(analyst: str, head: bytes) -> None:
    """They would be kept on the disk until the last of them has come."""
    with RawLine(analyst) as line:
        line.hello()
        line.send(varint(ClientPacket.QUERY), text(""), b"\0", text(""), varint(2), varint(0), text("SELECT 1"))
        line.send(head, bytes(4 << 20))
        code, message = line.read_error()
        assert (code, "not for the user analyst" in message) == (164, True)


def test_packed_answers(analyst: str) -> None:
    with connect(analyst, compression="lz4") as client:
        assert client.execute("SELECT number FROM numbers(3)") == [(0,), (1,), (2,)]


@pytest.mark.parametrize("database", ["", "default"])
def test_a_database_has_to_be_named(analyst: str, database: str) -> None:
    with (
        pytest.raises(ServerException) as caught,
        Client.from_url(analyst.rpartition("/")[0] + f"/{database}") as client,
    ):
        client.execute("SELECT 1")
    assert caught.value.code in DENIED


def test_connections_that_are_left_open_keep_the_product_its_own(analyst: str, clickhouse: str) -> None:
    with ExitStack() as left_open:
        for _ in range(256):
            left_open.enter_context(RawLine(analyst)).hello()
        with pytest.raises(ServerException) as caught, Client.from_url(analyst) as one_more:
            one_more.execute("SELECT 1")
        assert caught.value.code == 202
        with Client.from_url(clickhouse) as product:
            assert product.execute("SELECT 1") == [(1,)]
    # The server hears of it in its own time; the time that the test may take is the limit.
    while not answers(analyst):
        pass


def answers(url: str) -> bool:
    try:
        with Client.from_url(url) as client:
            return bool(client.execute("SELECT 1"))
    except ServerException:
        return False


@pytest.mark.parametrize("asked", ["0", "auto", str(1 << 62), None])
def test_a_query_takes_no_more_memory_than_an_analyst_may(client: Any, asked: str | None) -> None:
    settings = {} if asked is None else {"max_memory_usage": asked}
    found = client.execute("SELECT getSetting('max_memory_usage')", settings=settings)
    ((whole,),) = client.execute("SELECT value FROM system.server_settings WHERE name = 'max_server_memory_usage'")
    assert found == [(int(whole) // 4,)]


def test_a_query_may_take_less_memory(client: Any) -> None:
    with pytest.raises(ServerException, match="memory limit") as caught:
        client.execute(
            "SELECT length(groupArray(number)) FROM numbers(10000000)", settings={"max_memory_usage": 1 << 20}
        )
    assert caught.value.code == 241


def test_a_long_list_is_asked_for(client: Any) -> None:
    """As long as a statement may be: written anew it is longer."""
    meters = ", ".join(f"'M-{number:08d}'" for number in range(18_000))
    assert client.execute(f"SELECT count() FROM readings WHERE meter IN ({meters})") == [(0,)]
