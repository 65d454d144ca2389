"""One client's connection, from its first packet to its last."""

import contextlib
import itertools
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from infra.clickhouse.analyst import (
    ANALYST_USER,
    bounded,
    check_analyst,
    check_database,
    check_no_settings_within,
    check_settings,
)
from infra.clickhouse.answer import answer_other, answer_select
from infra.clickhouse.channel import Channel
from infra.clickhouse.engine import Engine, EngineSession, Judgement, StatementClass
from infra.clickhouse.errors import Code, ProtocolError, ServerError, protocol_error, server_error
from infra.clickhouse.external import ExternalTable, external_tables, no_external_tables, tables_in_session
from infra.clickhouse.insert import answer_insert
from infra.clickhouse.protocol import ClientPacket, encode_hello, read_hello
from infra.clickhouse.query import Query, Running, read_query
from infra.clickhouse.settings import SessionSettings
from infra.clickhouse.statements import first_word, is_select, parse_insert, quote_name, tokens, without_format
from infra.clickhouse.tables_status import answer_tables_status
from infra.clickhouse.users import Users
from infra.clickhouse.watch import Watch

_log = structlog.get_logger(__name__)

# In all: nobody keeps one of the places by a byte now and then before it has shown its password.
_HELLO_S = 10.0

_ANALYSTS = 256
"""Of all connections: what an analyst's tools leave open must not keep the product out."""

# Unlike among other servers' statements, the mark of one is found in no other's text.
_RUN = secrets.token_hex(4)
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Service:
    """What all connections share; `folder` is where rows wait for the engine, `analysts` counts those."""

    engine: Engine
    users: Users
    watch: Watch
    folder: Path
    analysts: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(_ANALYSTS))


class Connection:
    """Speaks with one client; everything happens in the thread that calls `serve`."""

    def __init__(self, sock: socket.socket, service: Service) -> None:
        self._socket = sock
        self._service = service
        self._channel = Channel(sock)
        self._is_analyst = False

    def serve(self) -> None:
        """Answer the client until it leaves or sends what makes no sense; never raises for what it does."""
        try:
            with self._session() as session:
                settings = SessionSettings(session)
                while not self._channel.reader.at_end():
                    self._answer_packet(session, settings)
        except ServerError as error:
            self._refuse(error)
        except EOFError:
            _log.info("a client left in the middle of a packet")
        except OSError as error:
            _log.info("a client is gone", error=str(error))

    @contextmanager
    def _session(self) -> Iterator[EngineSession]:
        with self._channel.source.within(_HELLO_S):
            hello = read_hello(self._channel.reader)
        self._channel.revision = hello.revision
        self._service.users.authenticate(hello.user, hello.password)
        self._is_analyst = hello.user == ANALYST_USER
        if self._is_analyst:
            check_database(hello.database)
        engine = self._service.engine
        with self._place(), contextlib.closing(engine.open_session()) as session:
            if hello.database:
                session.run(f"USE {quote_name(hello.database)}")
            self._channel.send(
                encode_hello(revision=hello.revision, version=engine.version, time_zone=engine.time_zone)
            )
            yield session

    @contextmanager
    def _place(self) -> Iterator[None]:
        """While inside, an analyst's connection is one of those that analysts may have."""
        if not self._is_analyst:
            yield
            return
        if not self._service.analysts.acquire(blocking=False):
            text = f"More than {_ANALYSTS} connections of the user {ANALYST_USER}"
            raise server_error(Code.TOO_MANY_SIMULTANEOUS_QUERIES, text)
        try:
            yield
        finally:
            self._service.analysts.release()

    def _answer_packet(self, session: EngineSession, settings: SessionSettings) -> None:
        packet = self._channel.reader.varint()
        if packet == ClientPacket.PING:
            self._channel.send_pong()
        elif packet == ClientPacket.QUERY:
            self._answer_query(session, settings)
        elif packet == ClientPacket.TABLES_STATUS and not self._is_analyst:
            answer_tables_status(self._channel, session)
        elif packet != ClientPacket.CANCEL:
            # A cancel that comes after the answer's end has nothing left to do.
            raise protocol_error(Code.UNEXPECTED_PACKET_FROM_CLIENT, f"Unexpected packet {packet}")

    def _answer_query(self, session: EngineSession, settings: SessionSettings) -> None:
        query = read_query(self._channel)
        self._channel.compressed = query.compressed
        running = new_running()
        with self._tables() as tables:
            try:
                if self._is_analyst:
                    check_settings(query.settings)
                settings.apply(
                    bounded(query.settings, self._service.engine.memory_bytes) if self._is_analyst else query.settings
                )
                with tables_in_session(session, tables, running):
                    self._run(session, settings, query, running)
            except ProtocolError:
                raise
            except ServerError as error:
                if running.cancelled.is_set():
                    self._channel.send_end()
                else:
                    self._channel.send_error(ServerError(error.code, running.unmarked(error.message)))

    @contextmanager
    def _tables(self) -> Iterator[list[ExternalTable]]:
        if self._is_analyst:
            no_external_tables(self._channel)
            yield []
            return
        with external_tables(self._channel, self._service.folder) as tables:
            yield tables

    def _run(self, session: EngineSession, settings: SessionSettings, query: Query, running: Running) -> None:
        sql = without_format(query.sql)
        readonly = 1 if self._is_analyst else settings.readonly
        judgement = judge(
            self._service, session, sql, readonly=readonly, is_analyst=self._is_analyst, is_bound=self._is_analyst
        )
        insert = parse_insert(query.sql)
        if insert:
            answer_insert(self._channel, session, insert, running, self._service.folder)
            return
        with self._service.watch.over(self._socket, running, held=bytes(self._channel.reader.held)):
            if judgement.kind is StatementClass.READ_ONLY and is_select(sql):
                answer_select(self._channel, session, sql, running)
            else:
                reads = judgement.kind is StatementClass.READ_ONLY
                answer_other(self._channel, session, sql, running, reads=reads)
        if first_word(sql) == "SET":
            settings.note_set()

    def _refuse(self, error: ServerError) -> None:
        _log.info("a client is refused", code=int(error.code), error=error.message)
        try:
            self._channel.send_error(error)
        except OSError:
            _log.info("a client did not wait for its refusal")


def new_running() -> Running:
    """A statement that is about to be run, with a mark that is no part of another's."""
    return Running(f"sluice:{_RUN}:{next(_numbers)}.")


def judge(
    service: Service, session: EngineSession, sql: str, *, readonly: int, is_analyst: bool, is_bound: bool
) -> Judgement:
    """Judge a statement before it is run.

    Args:
        readonly: 1 for reading only, 2 for reading and SET, 0 for everything.
        is_bound: The settings that came with it were checked, so it brings none of its own.
    Raises:
        ServerError: It is none, or not allowed.
    """
    judgement = session.judge(sql)
    _check_allowed(sql, judgement, readonly)
    if not is_analyst and not is_bound:
        return judgement
    tree, written = session.syntax_tree(sql), service.engine.written(sql)
    if is_bound:
        check_no_settings_within(written, tree)
    if is_analyst:
        check_analyst(written, tree, service.engine)
    return judgement


def _check_allowed(sql: str, judgement: Judgement, readonly: int) -> None:
    if next(tokens(sql), None) is None:
        raise server_error(Code.SYNTAX_ERROR, "Empty query")
    if judgement.statements > 1:
        raise server_error(Code.SYNTAX_ERROR, "Multi-statements are not allowed")
    reads = judgement.kind in (StatementClass.READ_ONLY, StatementClass.UNKNOWN)
    if readonly and not reads and not (readonly == 2 and first_word(sql) in ("SET", "USE")):
        raise server_error(Code.READONLY, "Cannot execute query in readonly mode")
    if judgement.kind is StatementClass.CONTROL and is_select(sql):
        raise server_error(Code.INTO_OUTFILE_NOT_ALLOWED, "INTO OUTFILE is not allowed")
