"""chDB, the ClickHouse engine in this process: sessions, statements, streams of blocks.

Nothing of chDB is used outside this module. Its errors leave it as `ServerError` with ClickHouse's code.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from chdb.session import Session

from infra.clickhouse.block import Column
from infra.clickhouse.errors import from_engine
from infra.clickhouse.statements import quote_text

# What a session of a server has and an embedded one has not.
_SERVER_SETTINGS = (
    "SET print_pretty_type_names = 0",
    "SET implicit_select = 0",
    "SET allow_introspection_functions = 0",
    # The default here, mmap, lets a truncated file end the process.
    "SET storage_file_read_method = 'pread'",
)


# The second is the engine's error too, whose text quotes bytes that are not UTF-8.
_FAILURES = (RuntimeError, UnicodeDecodeError)


_WRITTEN_BYTES = 1 << 20
"""Four times what a statement may have."""


class StatementClass(IntEnum):
    """What the engine says a statement does; the numbers are chDB's."""

    READ_ONLY = 0
    MUTATING = 1
    MUTATING_GLOBAL = 2
    CONTROL = 3
    UNKNOWN = 4


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the engine makes of a text before it runs it; a text that it cannot parse is `UNKNOWN`."""

    kind: StatementClass
    statements: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a statement has come since its beginning; `total_rows` is how many it expects to read."""

    rows: int = 0
    size: int = 0
    total_rows: int = 0
    written_rows: int = 0
    written_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """What a statement gave: blocks in the Native format, their rows, and how far it had come with them."""

    data: bytes
    rows: int
    progress: Progress


Report = Callable[[Progress], None]
"""Takes a statement's progress about ten times a second, in the thread that runs the statement."""


class EngineSession:
    """One client's session: its database, settings and temporary tables. One thread at a time."""

    def __init__(self, path: str) -> None:
        self._session: Any = Session(path)  # type: ignore[no-untyped-call]  # chDB has few types
        for statement in _SERVER_SETTINGS:
            self.run(statement)

    def close(self) -> None:
        """Give the session up; temporary tables go with it."""
        self._session.close()

    def judge(self, sql: str) -> Judgement:
        """What kind of statement a text is, and how many there are."""
        # chDB has this on its connection only; chdb.durable uses it the same way.
        report = self._session._conn._conn.classify_query(_encode(sql))
        return Judgement(StatementClass(report["query_class"].value), report["statement_count"])

    def run(self, sql: str, report: Report | None = None) -> Result:
        """Run one statement to its end and give all that it answers."""
        with self._reporting(report):
            return _result(self._query(sql, "Native"))

    @contextmanager
    def stream(self, sql: str, report: Report | None = None) -> Iterator[Iterator[Result]]:
        """Run a SELECT; inside, its blocks come as they are made. Leaving early ends it."""
        with self._reporting(report):
            try:
                chunks = self._session.send_query(_encode(sql), "Native")
            except _FAILURES as error:
                raise from_engine(error) from error
            try:
                yield _results(chunks)
            finally:
                chunks.close()

    def formatted(self, sql: str, form: str) -> tuple[bytes, int]:
        """All that a statement answers, in one of the engine's formats, and how many rows that is."""
        answer = self._query(sql, form)
        return answer.bytes() or b"", answer.rows_read()

    def rows(self, sql: str) -> list[list[Any]]:
        """The rows of a small answer, as JSON values."""
        lines = self._query(sql, "JSONCompactEachRow").bytes().splitlines()
        return [json.loads(line.decode("utf-8", "surrogateescape")) for line in lines]

    def describe(self, sql: str) -> tuple[Column, ...]:
        """Names and full types of the columns that a SELECT gives. May run its scalar subqueries."""
        return tuple(Column(row[0], row[1]) for row in self.rows(f"DESCRIBE ({sql}\n)"))

    def syntax_tree(self, sql: str) -> list[str]:
        """The engine's syntax tree of a statement, a node a line; nothing is run."""
        return [row[0] for row in self.rows(f"EXPLAIN AST {sql}")]

    def columns_of_answer(self, sql: str) -> tuple[Column, ...]:
        """Names and types of the columns of any statement's answer, seen by running it again."""
        answer = self._query(sql, "JSONCompactEachRowWithNamesAndTypes").bytes().splitlines()
        if len(answer) < 2:
            return ()
        return tuple(map(Column, json.loads(answer[0]), json.loads(answer[1])))

    @contextmanager
    def _reporting(self, report: Report | None) -> Iterator[None]:
        if report is None:
            yield
            return

        def take(counts: dict[str, int]) -> None:
            report(
                Progress(
                    rows=counts["read_rows"],
                    size=counts["read_bytes"],
                    total_rows=counts["total_rows_to_read"],
                    written_rows=counts["written_rows"],
                    written_bytes=counts["written_bytes"],
                )
            )

        connection = self._session._conn
        connection.set_progress_callback(take)
        try:
            yield
        finally:
            connection.set_progress_callback(None)

    def _query(self, sql: str, form: str) -> Any:
        try:
            return self._session.query(_encode(sql), form)
        except _FAILURES as error:
            raise from_engine(error) from error


class Engine:
    """The engine over one folder. Only one process may hold a folder.

    Args:
        config: A configuration file of ClickHouse's, such as one that names clusters.
    """

    def __init__(self, path: Path, config: Path | None = None) -> None:
        self._path = f"{path}?config-file={config}" if config else str(path)
        self._admin = EngineSession(self._path)
        self._lock = threading.Lock()
        version, zone = self._admin.rows("SELECT version(), timezone()")[0]
        # A statement that is written anew has more signs than it had: those within its quotes are quoted once more.
        self._admin.run(f"SET max_query_size = {_WRITTEN_BYTES}")
        self.functions = self._names("functions")
        self.table_functions = self._names("table_functions")
        self.formats = self._names("formats")
        sizes = self._admin.rows("SELECT value FROM system.server_settings WHERE name = 'max_server_memory_usage'")
        self.memory_bytes = int(sizes[0][0])
        major, minor, patch = (int(part) for part in version.split(".")[:3])
        self.version = (major, minor, patch)
        self.time_zone: str = zone

    def _names(self, table: str) -> frozenset[str]:
        """What the engine lists in a table of its own, in small letters."""
        return frozenset(name for (name,) in self._admin.rows(f"SELECT lower(name) FROM system.{table}"))

    def open_session(self) -> EngineSession:
        """A new session, for one client."""
        return EngineSession(self._path)

    def written(self, sql: str) -> str:
        """A statement as the engine itself writes it, on one line and without comments; nothing is run."""
        # Not in its client's session, whose settings (`limit`, `offset`) hold for this answer too.
        with self._lock:
            text: str = self._admin.rows(f"SELECT formatQuerySingleLine({quote_text(sql)})")[0][0]
            return text

    def kill(self, mark: str) -> None:
        """Ask the running statement whose text contains `mark` to stop; nothing happens if there is none."""
        with self._lock:
            self._admin.run(
                f"KILL QUERY WHERE position(query, {quote_text(mark)}) > 0 AND query NOT LIKE 'KILL %' ASYNC"
            )

    def close(self) -> None:
        """Give the engine's own session up."""
        with self._lock:
            self._admin.close()


def _encode(sql: str) -> bytes:
    # As bytes, so that a text which is not UTF-8 reaches the engine unchanged.
    return sql.encode("utf-8", "surrogateescape")


def _results(chunks: Any) -> Iterator[Result]:
    try:
        for chunk in chunks:
            yield _result(chunk)
    except _FAILURES as error:
        raise from_engine(error) from error


def _result(answer: Any) -> Result:
    return Result(
        data=answer.bytes() or b"",
        rows=answer.rows_read(),
        progress=Progress(
            rows=answer.storage_rows_read(),
            size=answer.storage_bytes_read(),
            written_rows=answer.rows_written(),
            written_bytes=answer.bytes_written(),
        ),
    )
