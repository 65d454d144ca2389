"""What the user for analysts may ask: rows of databases, and nothing that leads out of them.

A statement is judged by the engine's own syntax tree, not by its text, in which quotes and comments can hide a name.
The tree leaves parts out, such as what stands in APPLY, so the statement as the engine itself writes it is judged too.
Table functions are refused unless they are known to make rows out of nothing: what a later engine adds is refused too.
The database `default` is refused since the engine takes its tables' names for paths of files.

Settings can hold SQL, files' names and addresses too. So they come with the query, where they are held against a list,
and not within the statement, whose tree says only that there are some.
"""

import re
from collections.abc import Iterable, Mapping
from itertools import zip_longest
from typing import Final, Protocol

from infra.clickhouse.errors import Code, ServerError, server_error
from infra.clickhouse.query import Setting
from infra.clickhouse.statements import Token, first_word, tokens, unquote_name

ANALYST_USER: Final = "analyst"

OPEN_DATABASE: Final = "default"

STATEMENTS: Final = frozenset({"SELECT", "WITH", "FROM", "EXPLAIN", "DESCRIBE", "DESC", "SHOW", "EXISTS"})

HARMLESS: Final = frozenset(
    {"generate_series", "generateseries", "numbers", "numbers_mt", "primes", "view", "zeros", "zeros_mt"}
)
"""Table functions that read nothing, or only what stands in the statement, and take no text that the engine reads as
SQL: `values`, `format`, `null` and `generateRandom` take one with columns, which may be of any function's making."""

WAYS_OUT: Final = re.compile(
    r"file|executable|catboostevaluate|reversednsquery|formatrow\w*|ai[a-z]+|hascolumnintable|joinget\w*"
)
"""Ordinary functions that read or write files, run programs, ask other machines, or name a table by a text; a name is
no way out where the engine has no function of that name."""

SETTINGS: Final = re.compile(
    r"(?!max_(?:query_size|parser_\w+|(?:expanded_)?ast_\w+)$)(?:max|min)_\w+"
    r"|\w+_overflow_mode|param_\w+|output_format_(?:arrow|csv|decimal|json|parquet|pretty|tsv)_\w+"
    r"|date_time_(?:in|out)put_format|session_timezone|extremes|final|limit|offset|log_comment|priority|join_use_nulls"
    r"|(?:optimize_use|force_optimize)_projections?|use_uncompressed_cache|wait_end_of_query|totals_mode|readonly"
    r"|cast_string_to_dynamic_use_inference|cancel_http_readonly_queries_on_client_close|http_\w+_interval_ms"
    r"|enable_analyzer|allow_experimental_analyzer|strings_as_bytes|send_logs_level|network_compression_method"
    r"|connect_timeout\w*|receive_timeout|send_timeout|run_query_in_background"
)
"""Settings that limit a query or say how its answer looks: none holds SQL, a file's name or an address, and none lifts
what keeps the engine's parser from running out of stack."""

MEMORY_PARTS: Final = 4
"""A query of an analyst may take one of so many parts of the engine's memory."""
_MEMORY: Final = "max_memory_usage"

_BELOW_THE_STATEMENT: Final = " Identifier "
"""How the engine writes the name of a statement's format: right below the statement's own node."""

_SETTINGS_NODE: Final = "Set"
"""How the engine writes that settings stand there; other nodes' names follow their kinds."""

_PARAMETER: Final = re.compile(r"\{\w+:(?:[\w\s(),=]|'[\w\s/+:.-]*')*\}")
"""A parameter whose type hides nothing: alone of all, the engine writes it as it came, comments and quotes included."""

_ASKS: Final = frozenset({"WHERE", "(", "{"})
"""Parts of a SHOW in which a query could stand."""

_NODE: Final = re.compile(r"\s*(?P<kind>\w+)(?: (?P<name>[^(]*))?")


class Known(Protocol):
    """What the engine has, by names in small letters."""

    functions: frozenset[str]
    table_functions: frozenset[str]
    formats: frozenset[str]


def check_settings(settings: Mapping[str, Setting]) -> None:
    """Check the settings that come with a query that may only read.

    Raises:
        ServerError: One may do more than limit the query or form its answer.
    """
    for name in settings:
        if not SETTINGS.fullmatch(name):
            raise server_error(Code.READONLY, f"Cannot modify '{name}' setting in readonly mode")


def bounded(settings: Mapping[str, Setting], memory_bytes: int) -> dict[str, Setting]:
    """An analyst's settings, with a query limited to its part of the engine's memory, which the sink shares."""
    most = memory_bytes // MEMORY_PARTS
    asked = settings.get(_MEMORY)
    is_less = asked is not None and asked.value.isdecimal() and 0 < int(asked.value) <= most
    return dict(settings) if is_less else {**settings, _MEMORY: Setting(str(most), True)}


def check_no_settings_within(written: str, tree: Iterable[str]) -> None:
    """Check that a statement brings no settings of its own.

    Args:
        written: The statement as the engine writes it.
        tree: Its syntax tree, a node a line.
    Raises:
        ServerError: It has some, in whatever part.
    """
    # Whatever follows the word: names in parts and settings without a value are written there as they came. What a
    # SHOW lists may be SETTINGS, and where it brings some its tree tells.
    is_said = first_word(written) != "SHOW" and any(token.text == "SETTINGS" for token in tokens(written))
    if is_said or any(line.strip() == _SETTINGS_NODE for line in tree):
        text = "Settings within a statement cannot be modified in readonly mode: they are to come with it"
        raise server_error(Code.READONLY, text)


def check_analyst(written: str, tree: Iterable[str], known: Known) -> None:
    """Check a statement that only reads.

    Args:
        written: The statement as the engine writes it: without comments, its texts in one kind of quotes.
        tree: Its syntax tree, a node a line, as EXPLAIN AST gives it.
        known: What could stand there.
    Raises:
        ServerError: It is not one for analysts.
    """
    if first_word(written) not in STATEMENTS:
        raise _denied(f"{first_word(written)} is not for the user {ANALYST_USER}")
    for line in tree:
        _check_node(line, known)
    words = list(tokens(written))
    for here, behind in zip_longest(words, words[1:]):
        _check_word(written, here, behind.text if behind else "", known)
    if first_word(written) == "SHOW" and (unfit := next((word.text for word in words if word.word in _ASKS), None)):
        # Neither these parts' trees nor their parameters are told, and the engine makes a SELECT of them.
        raise _denied(f"SHOW with {unfit} is not for the user {ANALYST_USER}")


def _check_node(line: str, known: Known) -> None:
    node = _NODE.match(line)
    if node is None or node["name"] is None:
        return
    name = node["name"].strip()
    if line.startswith(_BELOW_THE_STATEMENT) and name.lower() in known.formats:
        # Some read templates and schemas from files; the one at a statement's end was taken off before.
        raise _denied(f"the format {name} is not for the user {ANALYST_USER}")
    if node["kind"] == "Function":
        _check_function(name, known)
        _check_table_function(name, known)
    elif node["kind"] != "Literal":
        if node["kind"] == "Identifier":
            # A parameter may have named a function, as in arrayMap({f:Identifier}, …).
            _check_function(name, known)
        _check_name(name)


def _check_word(written: str, here: Token, behind: str, known: Known) -> None:
    if here.kind in ("word", "quoted"):
        name = unquote_name(here.text)
        # Without brackets too: functions are handed on by their names, as in APPLY file and arrayMap(file, …).
        _check_function(name, known)
        if behind == "(":
            _check_table_function(name, known)
        if behind == ".":
            _check_name(name)
    elif here.text == "{" and not _PARAMETER.match(written, here.start):
        raise _denied(f"a parameter of such a type is not for the user {ANALYST_USER}")


def _check_function(name: str, known: Known) -> None:
    if name.lower() in known.functions and WAYS_OUT.fullmatch(name.lower()):
        raise _denied(f"the function {name} is not for the user {ANALYST_USER}")


def _check_table_function(name: str, known: Known) -> None:
    if name.lower() in known.table_functions and name.lower() not in HARMLESS:
        raise _denied(f"the function {name} is not for the user {ANALYST_USER}")


def _check_name(name: str) -> None:
    if name == OPEN_DATABASE or name.startswith(f"{OPEN_DATABASE}."):
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
