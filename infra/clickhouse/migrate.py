"""The schema's numbered migrations, applied through clickhouse-driver to an embedded or an external server.

A migration is a file `NNNN_name.sql` of statements that end in a semicolon. Once released it is never edited:
what was applied is kept with its checksum in `schema_migrations`, and a file that differs from it stops
everything. A statement can be repeated without harm (`IF NOT EXISTS`), since a migration that was broken off
half-way is run again from its beginning.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import structlog
from clickhouse_driver import Client

MIGRATIONS = Path(__file__).with_name("migrations")

_log = structlog.get_logger(__name__)

_FILE_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")

_TOKEN = re.compile(
    r"""
      (?P<quoted>'(?:[^'\\]|\\.|'')*'|`(?:[^`\\]|\\.)*`|"(?:[^"\\]|\\.)*")
    | (?P<comment>--[^\n]*|/\*.*?\*/)
    | (?P<end>;)
    | (?P<text>[^'`"\-/;]+|.)
    """,
    re.VERBOSE | re.DOTALL,
)

MIGRATIONS_TABLE = "schema_migrations"
"""Where a database keeps what was applied to it."""

_APPLIED = """
CREATE TABLE IF NOT EXISTS schema_migrations
(
    number UInt16,
    name String,
    checksum String,
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY number
"""


class MigrationError(Exception):
    """The migrations at hand and those that the database has seen do not go together."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file of the schema."""

    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, in hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def statements(self) -> Iterator[str]:
        """The statements in order, without comments and semicolons."""
        return split_statements(self.text)


def split_statements(text: str) -> Iterator[str]:
    """Cut a text at the semicolons outside quotes and comments; comments and empty statements are left out.

    >>> list(split_statements("SELECT ';'; -- one;\\nSELECT 2;"))
    ["SELECT ';'", 'SELECT 2']
    """
    parts: list[str] = []
    for token in _TOKEN.finditer(text):
        if token["end"]:
            statement = "".join(parts).strip()
            parts.clear()
            if statement:
                yield statement
        elif not token["comment"]:
            parts.append(token[0])
    rest = "".join(parts).strip()
    if rest:
        yield rest


def read_migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """The folder's migrations in order.

    Raises:
        MigrationError: A file's name is not `NNNN_name.sql`, or the numbers do not run from 1 without gaps.
    """
    migrations = []
    for path in sorted(folder.glob("*.sql")):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None:
            raise MigrationError(f"{path.name} is not named like 0001_name.sql")
        migrations.append(Migration(int(match[1]), path.stem, path.read_text(encoding="utf-8")))
    for expected, migration in enumerate(migrations, start=1):
        if migration.number != expected:
            raise MigrationError(f"{migration.name} comes where number {expected:04} is expected")
    return migrations


def migrate(target: "str | Client", folder: Path = MIGRATIONS) -> list[str]:
    """Bring a database to the newest schema; doing so again changes nothing.

    Args:
        target: A URL `clickhouse://user:password@host:port/database`, whose database is created if it is
            missing, or a connected client, whose current database is used.
        folder: Where the migrations are.
    Returns:
        Names of the migrations that were applied now, in order.
    Raises:
        MigrationError: A migration that was applied before has another text now, or is missing.
        clickhouse_driver.errors.Error: The server cannot be reached or refuses a statement.
    """
    migrations = read_migrations(folder)
    if not isinstance(target, str):
        return apply_migrations([target], migrations)
    if database := unquote(urlsplit(target).path.strip("/")):
        with Client.from_url(server_url(target)) as client:
            create_database(client, database)
    with Client.from_url(target) as client:
        return apply_migrations([client], migrations)


def server_url(url: str) -> str:
    """The address of the server's default database: a connection that names a missing one is refused."""
    return urlunsplit(urlsplit(url)._replace(path="/default"))


def create_database(client: Any, database: str) -> None:
    """Create a database if it is missing."""
    quoted = database.replace("\\", "\\\\").replace("`", "\\`")
    client.execute(f"CREATE DATABASE IF NOT EXISTS `{quoted}`")


def apply_migrations(
    clients: Sequence[Any], migrations: Sequence[Migration], render: Callable[[str], str] = str
) -> list[str]:
    """Apply what is missing to servers that have seen the same, statement by statement to all of them.

    Args:
        clients: Of clickhouse-driver, each on the database that is brought up to date.
        render: What a statement is on these servers.
    Returns:
        Names of the migrations that were applied now, in order.
    Raises:
        MigrationError: A migration that was applied before has another text now, or is missing.
        clickhouse_driver.errors.Error: A server cannot be reached or refuses a statement.
    """
    seen = [seen_migrations(client, migrations) for client in clients]
    applied = []
    for migration in migrations:
        if all(migration.number in numbers for numbers in seen):
            continue
        for statement in migration.statements():
            for client in clients:
                client.execute(render(statement))
        for client in clients:
            note_applied(client, migration)
        applied.append(migration.name)
        _log.info("migration applied", migration=migration.name)
    return applied


def seen_migrations(client: Any, migrations: Sequence[Migration]) -> set[int]:
    """Numbers of the migrations that were applied to a client's database.

    Raises:
        MigrationError: One of them has another text now, or is missing.
    """
    client.execute(_APPLIED)
    seen = {
        number: (name, checksum)
        for number, name, checksum in client.execute("SELECT number, name, checksum FROM schema_migrations")
    }
    _check_released(seen, migrations)
    return set(seen)


def note_applied(client: Any, migration: Migration) -> None:
    """Keep that a migration was applied."""
    client.execute(
        "INSERT INTO schema_migrations (number, name, checksum) VALUES",
        [(migration.number, migration.name, migration.checksum)],
    )


def _check_released(seen: dict[int, tuple[str, str]], migrations: Sequence[Migration]) -> None:
    at_hand = {migration.number: migration for migration in migrations}
    for number, (name, checksum) in sorted(seen.items()):
        migration = at_hand.get(number)
        if migration is None:
            raise MigrationError(f"the database has seen {name}, which is not at hand: is this an older release?")
        if migration.checksum != checksum:
            raise MigrationError(f"{name} was edited after it was released: add a new migration instead")
