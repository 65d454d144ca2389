"""Notices, while a statement runs, that its client cancels it or is gone.

The connection's own thread is inside the engine then, so one thread for all watches their sockets and has the
engine stop what nobody waits for.
"""

import contextlib
import select
import socket
import threading
from collections.abc import Iterator

import structlog

from infra.clickhouse.engine import Engine
from infra.clickhouse.errors import ServerError
from infra.clickhouse.protocol import ClientPacket
from infra.clickhouse.query import Running

_log = structlog.get_logger(__name__)

_EVENTS = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLONESHOT
_LEAVES = select.EPOLLRDHUP | select.EPOLLONESHOT
_GONE = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR

_CANCEL = bytes((ClientPacket.CANCEL,))

_AGAIN_S = 0.05
"""A statement that has not reached the engine yet cannot be stopped there, so it is tried again."""


class Watch:
    """The watching thread. What it watches changes under its lock alone."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._watched: dict[int, tuple[socket.socket, Running]] = {}
        self._unwanted: dict[int, Running] = {}
        self._epoll = select.epoll()
        self._wake_in, self._wake_out = socket.socketpair()
        self._epoll.register(self._wake_out, select.EPOLLIN)
        self._stops_all = False
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    @contextlib.contextmanager
    def over(self, sock: socket.socket, running: Running, *, held: bytes = b"") -> Iterator[None]:
        """While inside, the statement is stopped when its client cancels it or goes away.

        Args:
            held: What was read together with the query, which no longer shows on the socket.
        """
        number = sock.fileno()
        with self._lock:
            self._watched[number] = (sock, running)
            self._epoll.register(number, _EVENTS)
            if held[:1] == _CANCEL:
                running.cancelled.set()
            if running.cancelled.is_set() or self._stops_all:
                self._stop(number)
        try:
            yield
        finally:
            with self._lock:
                self._epoll.unregister(number)
                del self._watched[number]
                self._unwanted.pop(number, None)

    def stop_all(self) -> None:
        """Break off every statement, also those still to come; their clients are told so."""
        with self._lock:
            self._stops_all = True
            for number in self._watched:
                self._stop(number)

    def close(self) -> None:
        """End the thread."""
        self._closed = True
        self._wake_in.send(b"\0")
        self._thread.join()
        self._epoll.close()
        self._wake_in.close()
        self._wake_out.close()

    def _stop(self, number: int) -> None:
        self._unwanted[number] = self._watched[number][1]
        self._wake_in.send(b"\0")

    def _run(self) -> None:
        while not self._closed:
            for number, events in self._epoll.poll(_AGAIN_S if self._unwanted else None):
                if number == self._wake_out.fileno():
                    self._wake_out.recv(4096)
                else:
                    self._look(number, events)
            with self._lock:
                marks = [running.mark for running in self._unwanted.values()]
            for mark in marks:
                try:
                    self._engine.kill(mark)
                except ServerError as error:
                    _log.warning("a statement could not be stopped", error=error.message)

    def _look(self, number: int, events: int) -> None:
        with self._lock:
            # The statement may have ended since the event.
            sock, running = self._watched.get(number, (None, None))
            # When all are stopped, this side has hung up, which looks like a client that is gone.
            if sock is None or running is None or self._stops_all:
                return
            if events & _GONE or _peek(sock) in (b"", _CANCEL):
                running.cancelled.set()
                self._stop(number)
            else:
                # What it sent ahead stays unread, so only its leaving can be told from now on.
                self._epoll.modify(number, _LEAVES)


def _peek(sock: socket.socket) -> bytes | None:
    """The first byte that waits to be read; empty at the end, None if nothing waits."""
    try:
        return sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return None
    except OSError:
        return b""
