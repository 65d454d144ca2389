"""The embedded ClickHouse server: chDB behind a socket, as a process of its own."""

import contextlib
import selectors
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType

import structlog
from clickhouse_driver import Client

from infra.clickhouse.analyst import ANALYST_USER
from infra.clickhouse.channel import Channel
from infra.clickhouse.cluster import change_url
from infra.clickhouse.cluster_schema import migrate_cluster
from infra.clickhouse.connection import Connection, Service
from infra.clickhouse.engine import Engine
from infra.clickhouse.errors import Code, server_error
from infra.clickhouse.http_door import http_door
from infra.clickhouse.migrate import migrate
from infra.clickhouse.retention import EVENTS, RAW, set_retention
from infra.clickhouse.tls import tls_door
from infra.clickhouse.users import PRODUCT_USER, Users, analyst_password, product_password, product_url
from infra.clickhouse.watch import Watch
from infra.endpoints import announce_ready, read_record
from infra.ports import HOST
from infra.process import locked
from infra.settings import Settings

_log = structlog.get_logger(__name__)

PART = "clickhouse"

_CONNECTION_LIMIT = 512
_BACKLOG = 128
_ACCEPT_PAUSE_S = 0.1
_SEND_TIMEOUT_S = 300
_LINGER_S = 2.0
_LINGER_IN_ALL_S = 10.0
_LINGER_BYTES = 64 << 20
_STOP_TIMEOUT_S = 20.0

LOCK_S = 10.0
"""How long a server that was killed a moment ago may take to be gone."""


class Server:
    """Accepts connections and gives each a thread.

    Args:
        folder: Holds the engine's data, and rows on their way to it.
        passwords: By user.
        port: To listen on; 0, or one that is taken, gives a free one.
        config: A configuration file of ClickHouse's, for the engine.
    """

    def __init__(
        self, folder: Path, passwords: Mapping[str, str], *, port: int = 0, config: Path | None = None
    ) -> None:
        waiting = folder / "waiting"
        waiting.mkdir(parents=True, exist_ok=True)
        self._engine = Engine(folder / "data", config)
        self._watch = Watch(self._engine)
        self.service = Service(self._engine, Users(passwords), self._watch, waiting)
        self._listener = _listen(port)
        # Kept, since the listener does not tell any more once it was stopped.
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._connections: dict[threading.Thread, socket.socket] = {}
        self._wake_in, self._wake_out = socket.socketpair()

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
            time.sleep(_ACCEPT_PAUSE_S)
            return
        _prepare(sock)
        thread = threading.Thread(target=self._serve_client, args=(sock,), name=f"client-{sock.fileno()}", daemon=True)
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
            Connection(sock, self.service).serve()
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
        self._watch.stop_all()
        for sock in connections.values():
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RD)
        deadline = time.monotonic() + _STOP_TIMEOUT_S
        for thread in connections:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                _log.warning("a connection does not end", thread=thread.name)
        self._watch.close()
        self._engine.close()


def main(settings: Settings) -> None:
    """Bring the schema up to date and serve until SIGTERM or SIGINT; where SLUICE_CLICKHOUSE is set, only the
    schema of that server or cluster.

    Raises:
        ClusterError: There is no such cluster, or nobody of a shard was reached.
        MigrationError: The database's schema is not one of this release.
        TlsError: It is to be reached by TLS, and that cannot be.
        HttpError: It is to be reached by HTTP, and that cannot be.
        LockedError: Another server runs on this data directory.
    """
    if settings.clickhouse:
        _bring_up_to_date(settings.clickhouse, settings)
        announce_ready(settings, PART)
        return
    folder = settings.data_dir / PART
    with locked(folder / "lock", wait_s=LOCK_S):
        before = read_record(settings, PART)
        passwords = {
            PRODUCT_USER: product_password(folder, settings.clickhouse_password),
            ANALYST_USER: analyst_password(folder, settings.clickhouse_analyst_password),
        }
        server = Server(folder, passwords, port=before.ports.get(PART, 0) if before else 0)
        serving = threading.Thread(target=server.serve, name="serve")
        serving.start()
        try:
            _on_signals(server.stop)
            _bring_up_to_date(product_url(folder, server.port, settings.database), settings)
            with _tls_ports(settings, server.port) as tls, _http_ports(settings, server) as http:
                announce_ready(settings, PART, {PART: server.port, **tls, **http})
                _log.info("serving", port=server.port, **tls, **http)
                serving.join()
        finally:
            server.stop()
            serving.join()
        _log.info("stopped")


def _bring_up_to_date(url: str, settings: Settings) -> None:
    if settings.clickhouse_cluster:
        for place in migrate_cluster(url, settings.clickhouse_cluster):
            _retain(change_url(url, place), settings)
        return
    migrate(url)
    _retain(url, settings)


def _retain(url: str, settings: Settings) -> None:
    with Client.from_url(url) as client:
        set_retention(client, EVENTS, settings.event_days)
        if settings.raw_days:
            # Else none are copied any more, and those that are there go as they were to.
            set_retention(client, RAW, settings.raw_days)


@contextlib.contextmanager
def _tls_ports(settings: Settings, port: int) -> Iterator[dict[str, int]]:
    if not settings.clickhouse_tls:
        yield {}
        return
    certificate, key = Path(settings.tls_certificate), Path(settings.tls_key)
    with tls_door(settings.clickhouse_tls, certificate, key, to_port=port) as tls_port:
        yield {"tls": tls_port}


@contextlib.contextmanager
def _http_ports(settings: Settings, server: Server) -> Iterator[dict[str, int]]:
    if not settings.clickhouse_http:
        yield {}
        return
    with http_door(settings.clickhouse_http, server.service, settings.database) as port:
        yield {"http": port}


def _on_signals(stop: Callable[[], None]) -> None:
    def handle(number: int, frame: FrameType | None) -> None:
        stop()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)


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
        until = time.monotonic() + _LINGER_IN_ALL_S
        while left > 0 and time.monotonic() < until and (size := len(sock.recv(1 << 16))):
            left -= size
