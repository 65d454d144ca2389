"""What the user for analysts may ask: rows of databases, and nothing that leads out of them.

A statement is judged by the engine's own syntax tree, not by its text, in which quotes and comments can hide a name.
Table functions are refused unless they are known to make rows out of nothing: what a later engine adds is refused too.
The database `default` is refused since the engine takes its tables' names for paths of files.
"""

import re
from collections.abc import Iterable
from typing import Final

from infra.clickhouse.errors import Code, ServerError, server_error
from infra.clickhouse.statements import first_word

ANALYST_USER: Final = "analyst"

OPEN_DATABASE: Final = "default"

STATEMENTS: Final = frozenset({"SELECT", "WITH", "FROM", "EXPLAIN", "DESCRIBE", "DESC", "SHOW", "EXISTS"})

HARMLESS: Final = frozenset(
    {"format", "generate_series", "generaterandom", "generateseries", "null", "numbers", "numbers_mt", "primes",
     "values", "view", "zeros", "zeros_mt"}
)  # fmt: skip
"""Table functions that read nothing, or only what stands in the statement."""

WAYS_OUT: Final = re.compile(r"file|executable|catboostevaluate|reversednsquery|ai[a-z]+")
"""Ordinary functions that read files, run programs or ask other machines."""

_BELOW_THE_STATEMENT: Final = " Identifier "
"""How the engine writes the name of a statement's format: right below the statement's own node."""

_NODE: Final = re.compile(r"\s*(?P<kind>\w+)(?: (?P<name>[^(]*))?")


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
