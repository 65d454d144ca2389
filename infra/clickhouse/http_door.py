"""ClickHouse's HTTP interface, for tools that speak only that (Grafana, clickhouse-connect): it reads.

    GET or POST /?query=…&database=…&default_format=…&<setting>=<value>    the body goes on the query's text
    GET /ping

Users and what they may are those of the native port, but whoever comes this way only reads, with the settings that
analysts may give; writes go to that port. The password travels as it is, so the door opens on the loopback alone. An
answer is made in memory before it is sent; who leaves before is answered no more.
"""

import base64
import contextlib
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import structlog

from infra.clickhouse.analyst import ANALYST_USER, check_database, check_settings
from infra.clickhouse.connection import Service, judge, new_running
from infra.clickhouse.errors import Code, ServerError, server_error
from infra.clickhouse.http_lines import TIMEOUT_S, LineHandler, LineServer
from infra.clickhouse.query import Setting
from infra.clickhouse.settings import SessionSettings
from infra.clickhouse.statements import cut_format, quote_name
from infra.errors import InfraError
from infra.ports import HOST

_log = structlog.get_logger(__name__)

_BODY_LIMIT: Final = 1 << 20
_TAKEN_AWAY_LIMIT: Final = 64 << 20
_PIECE: Final = 1 << 16
_LINGER_S: Final = 2.0
_ANSWER_LIMIT: Final = 64 << 20
"""Bytes of an answer's rows: as text they may be several times as many."""
_AT_ONCE: Final = 4
"""Answers that are made at one time; who comes meanwhile waits a while."""
_ON_THE_WAY: Final = 8
"""Large answers that wait in memory for their askers to take them."""
_LARGE: Final = 1 << 20
_WAIT_S: Final = 30.0
_LIMITS: Final = {
    "max_execution_time": "300",
    "max_result_bytes": str(_ANSWER_LIMIT),
    "result_overflow_mode": "throw",
    # A column that is everywhere the same is one row to the limit above, and as many as there are in the answer.
    "max_memory_usage": str(1 << 30),
}
_DEFAULT_FORMAT: Final = "TabSeparated"
_FORMATS: Final = {
    name.lower(): name
    for name in (
     "Arrow", "ArrowStream", "CSV", "CSVWithNames", "CSVWithNamesAndTypes", "JSON", "JSONColumns", "JSONCompact",
     "JSONCompactEachRow", "JSONCompactEachRowWithNames", "JSONCompactEachRowWithNamesAndTypes", "JSONEachRow",
     "JSONStrings", "Markdown", "Native", "Null", "Parquet", "Pretty", "PrettyCompact", "PrettyCompactMonoBlock",
     "PrettySpace", "RowBinary", "RowBinaryWithNames", "RowBinaryWithNamesAndTypes", "TSKV", "TSV", "TSVRaw",
     "TSVWithNames", "TSVWithNamesAndTypes", "TabSeparated", "TabSeparatedRaw", "TabSeparatedWithNames",
     "TabSeparatedWithNamesAndTypes", "Values", "Vertical", "XML",
    )
}  # fmt: skip
"""Formats that are made of the rows alone: others read templates and schemas from files."""

_NOT_SETTINGS: Final = frozenset(
    {"buffer_size", "client_protocol_version", "compress", "database", "decompress", "default_format",
     "enable_http_compression", "http_zlib_compression_level", "password", "query", "query_id", "quota_key",
     "readonly", "role", "send_progress_in_http_headers", "session_check", "session_id", "session_timeout",
     "stacktrace", "user", "wait_end_of_query", *_LIMITS}
)  # fmt: skip
"""Parameters that are for this interface, are not needed here, or are this door's own affair."""

_STATUS: Final[Mapping[int, HTTPStatus]] = {
    Code.AUTHENTICATION_FAILED: HTTPStatus.FORBIDDEN,
    Code.ACCESS_DENIED: HTTPStatus.FORBIDDEN,
    Code.READONLY: HTTPStatus.FORBIDDEN,
    Code.SYNTAX_ERROR: HTTPStatus.BAD_REQUEST,
    Code.INCORRECT_DATA: HTTPStatus.BAD_REQUEST,
    Code.UNKNOWN_SETTING: HTTPStatus.BAD_REQUEST,
    Code.TOO_MANY_SIMULTANEOUS_QUERIES: HTTPStatus.SERVICE_UNAVAILABLE,
    36: HTTPStatus.BAD_REQUEST,  # bad arguments
    42: HTTPStatus.BAD_REQUEST,  # number of arguments
    43: HTTPStatus.BAD_REQUEST,  # type of an argument
    46: HTTPStatus.NOT_FOUND,  # unknown function
    47: HTTPStatus.NOT_FOUND,  # unknown column
    53: HTTPStatus.BAD_REQUEST,  # types that do not fit
    60: HTTPStatus.NOT_FOUND,  # unknown table
    81: HTTPStatus.NOT_FOUND,  # unknown database
}


class HttpError(InfraError):
    """The door cannot be opened: an address that is taken."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request without its transport."""

    user: str
    database: str
    sql: str
    form: str
    settings: Mapping[str, Setting]


@contextlib.contextmanager
def http_door(port: int, service: Service, database: str) -> Iterator[int]:
    """Answer HTTP clients on a port of the loopback, for as long as the context lasts.

    Args:
        port: 0 takes a free one.
        database: Of those who name none.
    Yields:
        The port that it listens on.
    Raises:
        HttpError: It cannot be opened.
    """
    try:
        server = LineServer((HOST, port), _handler(service, database))
    except OSError as error:
        raise HttpError(f"HTTP on {HOST}:{port}: {error.strerror}") from error
    thread = threading.Thread(target=server.serve_forever, name="http", daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(service: Service, database: str) -> type[BaseHTTPRequestHandler]:
    at_once, on_the_way = threading.BoundedSemaphore(_AT_ONCE), threading.BoundedSemaphore(_ON_THE_WAY)

    class Handler(LineHandler):
        def do_GET(self) -> None:  # noqa: N802 - http.server finds it by this name
            if self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
                # Left unread, it would be taken for the next request.
                self.close_connection = True
                self._refuse(server_error(Code.INCORRECT_DATA, "GET takes no body here: send it with POST"))
                self._take_away(_TAKEN_AWAY_LIMIT)
                return
            self._serve(b"")

        def do_POST(self) -> None:  # noqa: N802 - likewise
            sizes = self.headers.get_all("Content-Length", [])
            is_plain = len(sizes) == 1 and sizes[0].isascii() and sizes[0].isdecimal()
            size = int(sizes[0]) if is_plain and "Transfer-Encoding" not in self.headers else -1
            if not 0 <= size <= _BODY_LIMIT:
                self.close_connection = True
                text = f"a body needs a Content-Length of at most {_BODY_LIMIT} bytes: this port takes no rows"
                self._refuse(server_error(Code.INCORRECT_DATA, text))
                self._take_away(size)
                return
            body = self.rfile.read(size)
            if len(body) < size:
                # The client is gone in the middle: half a statement is another one.
                self.close_connection = True
                return
            self._serve(body)

        def _serve(self, body: bytes) -> None:
            address = urlsplit(self.path)
            if address.path in ("/ping", "/replicas_status"):
                self._send(HTTPStatus.OK, b"Ok.\n", {})
                return
            if address.path not in ("", "/"):
                self._send(HTTPStatus.NOT_FOUND, b"There is no handle here but / and /ping\n", {})
                return
            with contextlib.ExitStack() as until_sent:
                try:
                    asked = self._asked(address.query, body)
                    with _place(at_once):
                        data, rows = _answer(service, asked, self.connection)
                        if len(data) > _LARGE:
                            until_sent.enter_context(_place(on_the_way))
                except ServerError as error:
                    self._refuse(error)
                    return
                except Exception as error:
                    _log.exception("an HTTP client's request failed")
                    self.close_connection = True
                    self._refuse(server_error(Code.STD_EXCEPTION, f"{type(error).__name__} within the server"))
                    return
                summary = json.dumps({"result_rows": str(rows), "result_bytes": str(len(data))})
                headers = {"X-ClickHouse-Format": asked.form, "X-ClickHouse-Summary": summary}
                self._send(HTTPStatus.OK, data, headers)

        def _asked(self, query: str, body: bytes) -> _Asked:
            parameters = {"database": database, **dict(parse_qsl(query, keep_blank_values=True))}
            user, password = _login(self.headers, parameters)
            # Before anything that takes time is done for it.
            service.users.authenticate(user, password)
            return _asked(user, self.headers, parameters, body)

        def _take_away(self, size: int) -> None:
            """Take what a client goes on to send before it listens: closed now, the line would lose its answer."""
            left = min(size, _TAKEN_AWAY_LIMIT) if size >= 0 else _TAKEN_AWAY_LIMIT
            self.give_time(_LINGER_S)
            with contextlib.suppress(OSError):
                while left > 0 and (piece := self.rfile.read1(min(left, _PIECE))):
                    left -= len(piece)

        def _refuse(self, error: ServerError) -> None:
            _log.info("an HTTP client is refused", code=int(error.code), error=error.message)
            status = _STATUS.get(error.code, HTTPStatus.INTERNAL_SERVER_ERROR)
            text = f"Code: {int(error.code)}. {error.message}\n"
            self._send(
                status, text.encode("utf-8", "surrogateescape"), {"X-ClickHouse-Exception-Code": str(int(error.code))}
            )

        def _send(self, status: HTTPStatus, data: bytes, headers: Mapping[str, str]) -> None:
            self.connection.settimeout(TIMEOUT_S)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "text/plain; charset=UTF-8")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler


def _asked(user: str, headers: Any, parameters: Mapping[str, str], body: bytes) -> _Asked:
    text = "\n".join(filter(None, [parameters.get("query", ""), body.decode("utf-8", "surrogateescape")]))
    sql, form = cut_format(text)
    told = form or parameters.get("default_format") or headers.get("X-ClickHouse-Format") or _DEFAULT_FORMAT
    known = _FORMATS.get(told.lower())
    if known is None:
        raise server_error(Code.INCORRECT_DATA, f"The format {told} is not given out here")
    settings = {name: Setting(value, True) for name, value in parameters.items() if name not in _NOT_SETTINGS}
    check_settings(settings)
    settings |= {name: Setting(value, True) for name, value in _LIMITS.items()}
    database = headers.get("X-ClickHouse-Database") or parameters["database"]
    return _Asked(user, database, sql, known, settings)


def _login(headers: Any, parameters: Mapping[str, str]) -> tuple[str, str]:
    kind, _, word = headers.get("Authorization", "").partition(" ")
    if kind.lower() == "basic":
        try:
            user, _, password = base64.b64decode(word, validate=True).decode().partition(":")
        except ValueError:
            raise server_error(Code.AUTHENTICATION_FAILED, "The header Authorization is no Basic one") from None
        return user, password
    user = headers.get("X-ClickHouse-User") or parameters.get("user") or "default"
    return user, headers.get("X-ClickHouse-Key") or parameters.get("password") or ""


@contextlib.contextmanager
def _place(at_once: threading.BoundedSemaphore) -> Iterator[None]:
    """Wait for a place among those who are answered, but not for ever."""
    if not at_once.acquire(timeout=_WAIT_S):
        text = f"Too many simultaneous queries: none of those at work, or on the way, ended in {_WAIT_S:.0f} s"
        raise server_error(Code.TOO_MANY_SIMULTANEOUS_QUERIES, text)
    try:
        yield
    finally:
        at_once.release()


def _answer(service: Service, asked: _Asked, line: socket.socket) -> tuple[bytes, int]:
    """What a statement gives, in the format that was asked for, and how many rows that is."""
    is_analyst = asked.user == ANALYST_USER
    if is_analyst:
        check_database(asked.database)
    session = service.engine.open_session()
    try:
        if asked.database:
            session.run(f"USE {quote_name(asked.database)}")
        SessionSettings(session).apply(asked.settings)
        judge(service, session, asked.sql, readonly=1, is_analyst=is_analyst, is_bound=True)
        running = new_running()
        try:
            with service.watch.over(line, running):
                return session.formatted(running.marked(asked.sql), asked.form)
        except ServerError as error:
            raise ServerError(error.code, running.unmarked(error.message)) from error
    finally:
        session.close()
