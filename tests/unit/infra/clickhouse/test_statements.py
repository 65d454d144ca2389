"""What the server sees in a statement's text."""

import pytest

from infra.clickhouse.errors import Code, ServerError
from infra.clickhouse.statements import (
    Insert,
    first_word,
    is_select,
    parse_insert,
    quote_name,
    quote_text,
    tokens,
    unquote_name,
    without_format,
)


@pytest.mark.parametrize(
    ("sql", "insert"),
    [
        ("INSERT INTO t VALUES", Insert("t", None, "")),
        ("insert into t values ;", Insert("t", None, "")),
        ("INSERT INTO db.t (a, b) VALUES", Insert("db.t", "a, b", "")),
        ("INSERT INTO TABLE t(a) FORMAT Native", Insert("t", "a", "")),
        ('INSERT INTO `my db`."t" (`a)`, b) VALUES', Insert('`my db`."t"', "`a)`, b", "")),
        ("/* c */ INSERT INTO t -- d\n (a) VALUES -- e", Insert("t", "a", "")),
        ("INSERT INTO t (* EXCEPT(b)) VALUES", Insert("t", "* EXCEPT(b)", "")),
        (
            "INSERT INTO t (a) SETTINGS async_insert = 0, x = 'SELECT' VALUES",
            Insert("t", "a", "SETTINGS async_insert = 0, x = 'SELECT'"),
        ),
        ("INSERT INTO values VALUES", Insert("values", None, "")),
    ],
)
def test_insert_with_rows_from_the_client(sql: str, insert: Insert) -> None:
    assert parse_insert(sql) == insert


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "SELECT 1",
        "INSERT",
        "INSERT INTO t",
        "INSERT INTO t VALUES (1, 'a')",
        "INSERT INTO t VALUES 'a'",
        "INSERT INTO t (a) VALUES (1); ",
        "INSERT INTO t FORMAT CSV 1,2",
        "INSERT INTO t SELECT 'VALUES'",
        "INSERT INTO t (SELECT 1)",
        "INSERT INTO t (a) (SELECT 1 FORMAT Native)",
        "INSERT INTO t WITH 1 AS x SELECT x",
        "INSERT INTO t FROM INFILE 'f' FORMAT CSV",
        "INSERT INTO FUNCTION file('f') SELECT 1",
        "INSERT INTO FUNCTION file('f') PARTITION BY a SELECT 1",
        "SELECT 'INSERT INTO t VALUES'",
    ],
)
def test_statement_without_rows_from_the_client(sql: str) -> None:
    assert parse_insert(sql) is None


def test_rows_for_a_function_are_refused() -> None:
    with pytest.raises(ServerError) as caught:
        parse_insert("INSERT INTO FUNCTION file('f', 'CSV') VALUES")
    assert caught.value.code == Code.NOT_IMPLEMENTED


@pytest.mark.parametrize(
    ("sql", "word"),
    [
        ("select 1", "SELECT"),
        ("((SELECT 1))", "SELECT"),
        ("-- a\n/* b\n */ # c\n #! d\n SET x = 1", "SET"),
        ("#a\n SELECT 1", "#"),
        ("'SELECT'", ""),
        ("", ""),
    ],
)
def test_first_word(sql: str, word: str) -> None:
    assert first_word(sql) == word


@pytest.mark.parametrize("sign", ["'", '"', "`"])
@pytest.mark.parametrize("end", ["", "\\"])
def test_quotes_that_never_close_are_one_token(sign: str, end: str) -> None:
    """One token, not a try behind each sign: 1 MB of them would take hours."""
    text = sign + f"\\{sign}" * 250_000 + end
    assert [(token.start, token.end) for token in tokens(f"SELECT {text}")] == [(0, 6), (7, 7 + len(text))]


def test_a_comment_that_never_closes_goes_to_the_end() -> None:
    assert [token.text for token in tokens("SELECT 1 " + "/* " * 250_000)] == ["SELECT", "1"]


@pytest.mark.parametrize(
    ("sql", "texts"),
    [
        ("'it''s' 'a\\'b' ''", ["'it''s'", "'a\\'b'", "''"]),
        ('`a``b` "c""d" `e\\`f`', ["`a``b`", '"c""d"', "`e\\`f`"]),
        ("'a' /* ' */ 'b' -- '\n'c'", ["'a'", "'b'", "'c'"]),
    ],
)
def test_quotes_end_where_they_close(sql: str, texts: list[str]) -> None:
    assert [token.text for token in tokens(sql)] == texts


@pytest.mark.parametrize(
    ("sql", "select"),
    [("WITH 1 AS x SELECT x", True), ("FROM t SELECT a", True), ("EXPLAIN SELECT 1", False), ("SHOW TABLES", False)],
)
def test_is_select(sql: str, select: bool) -> None:
    assert is_select(sql) is select


@pytest.mark.parametrize(
    ("sql", "bare"),
    [
        ("SELECT 1", "SELECT 1"),
        ("SELECT 1 ; ", "SELECT 1"),
        ("SELECT 1\nformat JSONEachRow", "SELECT 1"),
        ("SELECT 1 FORMAT Null;", "SELECT 1"),
        ("SELECT format('a') AS format", "SELECT format('a') AS format"),
        ("SELECT ';' AS x", "SELECT ';' AS x"),
    ],
)
def test_without_format(sql: str, bare: str) -> None:
    assert without_format(sql) == bare


@pytest.mark.parametrize("name", ["a", "a b", "a`b", "a\\b", "计量表", ""])
def test_name_in_quotes_means_itself(name: str) -> None:
    assert unquote_name(quote_name(name)) == name


def test_other_ways_to_write_a_name() -> None:
    assert [unquote_name(each) for each in ("abc", '"a""b"', "`a``b`")] == ["abc", 'a"b', "a`b"]


def test_text_is_escaped() -> None:
    assert quote_text("a'b\\") == "'a\\'b\\\\'"
