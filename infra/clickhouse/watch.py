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
from infra.clickhouse.reader import WireReader

_log = structlog.get_logger(__name__)

_EVENTS = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLONESHOT
_GONE = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR

_AGAIN_S = 0.05
"""A statement that has not reached the engine yet cannot be stopped there, so it is tried again."""


class Watch:
    """The watching thread. Every change of what it watches is made under its lock."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._watched: dict[int, tuple[socket.socket, Running]] = {}
        self._stopping: dict[int, Running] = {}
        self._epoll = select.epoll()
        self._wake_in, self._wake_out = socket.socketpair()
        self._epoll.register(self._wake_out, select.EPOLLIN)
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    @contextlib.contextmanager
    def over(self, sock: socket.socket, reader: WireReader, running: Running) -> Iterator[None]:
        """While inside, the statement is stopped when its client cancels it or goes away."""
        number = sock.fileno()
        with self._lock:
            self._watched[number] = (sock, running)
            self._epoll.register(number, _EVENTS)
        try:
            # What was read together with the query no longer shows on the socket.
            if reader.held[:1] == bytes((ClientPacket.CANCEL,)):
                self.stop(number)
            yield
        finally:
            with self._lock:
                self._epoll.unregister(number)
                del self._watched[number]
                self._stopping.pop(number, None)

    def stop(self, number: int) -> None:
        """Stop the statement of the socket with this file number, if one runs."""
        with self._lock:
            watched = self._watched.get(number)
            if watched is None:
                return
            watched[1].cancelled.set()
            self._stopping[number] = watched[1]
        self._wake_in.send(b"\0")

    def stop_all(self) -> None:
        """Stop every statement."""
        for number in list(self._watched):
            self.stop(number)

    def close(self) -> None:
        """End the thread."""
        self._closed = True
        self._wake_in.send(b"\0")
        self._thread.join()
        self._epoll.close()
        self._wake_in.close()
        self._wake_out.close()

    def _run(self) -> None:
        while not self._closed:
            for number, events in self._epoll.poll(_AGAIN_S if self._stopping else None):
                if number == self._wake_out.fileno():
                    self._wake_out.recv(4096)
                elif self._wants_stop(number, events):
                    self.stop(number)
            with self._lock:
                marks = [running.mark for running in self._stopping.values()]
            for mark in marks:
                try:
                    self._engine.kill(mark)
                except ServerError as error:
                    _log.warning("a statement could not be stopped", error=error.message)

    def _wants_stop(self, number: int, events: int) -> bool:
        with self._lock:
            watched = self._watched.get(number)
            if watched is None:
                return False
            if events & _GONE:
                return True
            try:
                head = watched[0].recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            except BlockingIOError:
                # The event was for an earlier statement of this socket, whose cancel has been read since.
                self._epoll.modify(number, _EVENTS)
                return False
            except OSError:
                return True
            return head in (b"", bytes((ClientPacket.CANCEL,)))
