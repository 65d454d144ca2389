"""What the user for analysts may ask: rows of databases, and nothing that leads out of them.

A statement is judged by the engine's own syntax tree, not by its text, in which quotes and comments can hide a name.
Table functions are refused unless they are known to make rows out of nothing: what a later engine adds is refused too.
The database `default` is refused since the engine takes its tables' names for paths of files.

Settings can hold SQL, files' names and addresses too. So they come with the query, where they are held against a list,
and not within the statement, whose tree says only that there are some.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from infra.clickhouse.errors import Code, ServerError, server_error
from infra.clickhouse.query import Setting
from infra.clickhouse.statements import first_word

ANALYST_USER: Final = "analyst"

OPEN_DATABASE: Final = "default"

STATEMENTS: Final = frozenset({"SELECT", "WITH", "FROM", "EXPLAIN", "DESCRIBE", "DESC", "SHOW", "EXISTS"})

HARMLESS: Final = frozenset(
    {"format", "generate_series", "generaterandom", "generateseries", "null", "numbers", "numbers_mt", "primes",
     "values", "view", "zeros", "zeros_mt"}
)  # fmt: skip
"""Table functions that read nothing, or only what stands in the statement."""

WAYS_OUT: Final = re.compile(r"file|executable|catboostevaluate|reversednsquery|formatrow\w*|ai[a-z]+")
"""Ordinary functions that read or write files, run programs or ask other machines."""

SETTINGS: Final = re.compile(
    r"(?:max|min)_\w+|\w+_overflow_mode|param_\w+|output_format_(?:arrow|csv|decimal|json|parquet|pretty|tsv)_\w+"
    r"|date_time_(?:in|out)put_format|session_timezone|extremes|final|limit|offset|log_comment|priority|join_use_nulls"
    r"|(?:optimize_use|force_optimize)_projections?|use_uncompressed_cache|wait_end_of_query|totals_mode|readonly"
    r"|cast_string_to_dynamic_use_inference|cancel_http_readonly_queries_on_client_close|http_\w+_interval_ms"
    r"|enable_analyzer|allow_experimental_analyzer|strings_as_bytes|send_logs_level|network_compression_method"
    r"|connect_timeout\w*|receive_timeout|send_timeout|run_query_in_background"
)
"""Settings that limit a query or say how its answer looks: none holds SQL, a file's name or an address."""

_BELOW_THE_STATEMENT: Final = " Identifier "
"""How the engine writes the name of a statement's format: right below the statement's own node."""

_SETTINGS_NODE: Final = "Set"
"""How the engine writes that settings stand there; other nodes' names follow their kinds."""

_NODE: Final = re.compile(r"\s*(?P<kind>\w+)(?: (?P<name>[^(]*))?")


def check_settings(settings: Mapping[str, Setting]) -> None:
    """Check the settings that come with a query that may only read.

    Raises:
        ServerError: One may do more than limit the query or form its answer.
    """
    for name in settings:
        if not SETTINGS.fullmatch(name):
            raise server_error(Code.READONLY, f"Cannot modify '{name}' setting in readonly mode")


def check_no_settings_within(tree: Iterable[str]) -> None:
    """Check that a statement brings no settings of its own.

    Args:
        tree: Its syntax tree, a node a line.
    Raises:
        ServerError: It has some, in whatever part.
    """
    if any(line.strip() == _SETTINGS_NODE for line in tree):
        text = "Settings within a statement cannot be modified in readonly mode: they are to come with it"
        raise server_error(Code.READONLY, text)


def check_analyst(sql: str, tree: Iterable[str], table_functions: frozenset[str], formats: frozenset[str]) -> None:
    """Check a statement that only reads.

    Args:
        sql: The statement.
        tree: Its syntax tree, a node a line, as EXPLAIN AST gives it.
        table_functions: All that the engine has, in small letters.
        formats: Likewise.
    Raises:
        ServerError: It is not one for analysts.
    """
    if first_word(sql) not in STATEMENTS:
        raise _denied(f"{first_word(sql)} is not for the user {ANALYST_USER}")
    for line in tree:
        node = _NODE.match(line)
        if node is None or node["name"] is None:
            continue
        name = node["name"].strip()
        if line.startswith(_BELOW_THE_STATEMENT) and name.lower() in formats:
            # Some read templates and schemas from files; the one at a statement's end was taken off before.
            raise _denied(f"the format {name} is not for the user {ANALYST_USER}")
        if node["kind"] == "Function":
            lower = name.lower()
            if (lower in table_functions and lower not in HARMLESS) or WAYS_OUT.fullmatch(lower):
                raise _denied(f"the function {name} is not for the user {ANALYST_USER}")
        elif node["kind"] != "Literal" and (name == OPEN_DATABASE or name.startswith(f"{OPEN_DATABASE}.")):
            raise _denied(f"the database {OPEN_DATABASE} is not for the user {ANALYST_USER}")


def check_database(database: str) -> None:
    """Check the database that an analyst's connection names.

    Raises:
        ServerError: It names none, or the one whose tables are files.
    """
    if database in ("", OPEN_DATABASE):
        raise _denied(f"the user {ANALYST_USER} has to name a database, and not {OPEN_DATABASE}")


def _denied(why: str) -> ServerError:
    return server_error(Code.ACCESS_DENIED, f"Not enough privileges: {why}")
