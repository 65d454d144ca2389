"""The embedded ClickHouse server: chDB behind a socket, as a process of its own."""

import contextlib
import selectors
import signal
import socket
import struct
import threading
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

import structlog

from infra.clickhouse.channel import Channel
from infra.clickhouse.connection import Connection, Service
from infra.clickhouse.engine import Engine
from infra.clickhouse.errors import Code, server_error
from infra.clickhouse.users import PRODUCT_USER, Users, product_password
from infra.clickhouse.watch import Watch
from infra.endpoints import announce_ready, read_record
from infra.settings import Settings

_log = structlog.get_logger(__name__)

HOST = "127.0.0.1"
PART = "clickhouse"

_CONNECTION_LIMIT = 512
_BACKLOG = 128
_SEND_TIMEOUT_S = 300
_LINGER_S = 2.0
_LINGER_BYTES = 64 << 20
_STOP_TIMEOUT_S = 30.0


class Server:
    """Accepts connections and gives each a thread.

    Args:
        folder: Holds the engine's data, and rows on their way to it.
        passwords: By user.
        database: Created if it is missing.
        port: To listen on; 0, or one that is taken, gives a free one.
    """

    def __init__(self, folder: Path, passwords: Mapping[str, str], *, database: str, port: int = 0) -> None:
        waiting = folder / "waiting"
        waiting.mkdir(parents=True, exist_ok=True)
        self._engine = Engine(folder / "data")
        self._engine.create_database(database)
        self._watch = Watch(self._engine)
        self._service = Service(self._engine, Users(passwords), self._watch, waiting)
        self._listener = _listen(port)
        self._lock = threading.Lock()
        self._connections: dict[threading.Thread, socket.socket] = {}
        self._wake_in, self._wake_out = socket.socketpair()

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._listener.getsockname()[1]
        return port

    def serve(self) -> None:
        """Accept connections until `stop` is called, then end them all: what an INSERT has begun is finished."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._wake_out, selectors.EVENT_READ)
            while not any(key.fileobj is self._wake_out for key, _ in selector.select()):
                self._accept()
        self._end()

    def stop(self) -> None:
        """Make `serve` return; may be called by a signal's handler or another thread."""
        self._wake_in.send(b"\0")

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError as error:
            # Gone before it was accepted, or no descriptors left: the others go on.
            _log.warning("a connection could not be accepted", error=str(error))
            return
        _prepare(sock)
        thread = threading.Thread(target=self._serve_client, args=(sock,), name=f"client-{sock.fileno()}")
        with self._lock:
            full = len(self._connections) >= _CONNECTION_LIMIT
            if not full:
                self._connections[thread] = sock
        if full:
            _turn_away(sock)
            return
        thread.start()

    def _serve_client(self, sock: socket.socket) -> None:
        try:
            Connection(sock, self._service).serve()
        except Exception:
            # A fault of this server ends this one connection only, and is not to be overlooked.
            _log.exception("a connection failed")
        finally:
            _close(sock)
            with self._lock:
                del self._connections[threading.current_thread()]

    def _end(self) -> None:
        self._listener.close()
        with self._lock:
            connections = dict(self._connections)
        for sock in connections.values():
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RD)
        self._watch.stop_all()
        for thread in connections:
            thread.join(_STOP_TIMEOUT_S)
            if thread.is_alive():
                _log.warning("a connection does not end", thread=thread.name)
        self._watch.close()
        self._engine.close()


def main(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    folder = settings.data_dir / "clickhouse"
    folder.mkdir(parents=True, exist_ok=True)
    before = read_record(settings, PART)
    server = Server(
        folder,
        {PRODUCT_USER: product_password(folder)},
        database=settings.database,
        port=before.ports.get(PART, 0) if before else 0,
    )

    def stop(number: int, frame: FrameType | None) -> None:
        server.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    announce_ready(settings, PART, {PART: server.port})
    _log.info("serving", port=server.port)
    server.serve()
    _log.info("stopped")


def _listen(port: int) -> socket.socket:
    # The same port as before where that is possible, so that an analyst's address stays good.
    with contextlib.suppress(OSError):
        return socket.create_server((HOST, port), backlog=_BACKLOG)
    return socket.create_server((HOST, 0), backlog=_BACKLOG)


def _prepare(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # A client that no longer reads its answer must not hold its statement for ever.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", _SEND_TIMEOUT_S, 0))


def _turn_away(sock: socket.socket) -> None:
    error = server_error(Code.TOO_MANY_SIMULTANEOUS_QUERIES, f"More than {_CONNECTION_LIMIT} connections")
    with contextlib.suppress(OSError):
        Channel(sock).send_error(error)
    sock.close()


def _close(sock: socket.socket) -> None:
    """Close, after giving the client the time to read what it was told: with its bytes unread on this side the
    kernel would reset the connection and take the answer back."""
    with sock, contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_WR)
        sock.settimeout(_LINGER_S)
        left = _LINGER_BYTES
        while left > 0 and (size := len(sock.recv(1 << 16))):
            left -= size
