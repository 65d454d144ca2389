"""The lines of HTTP clients: how many there may be at a time, and how long each may take to say what it wants.

Threads, memory and descriptors are those of the whole server, so whoever reaches the port, with a password or without,
must not be able to take them all.
"""

import contextlib
import io
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import structlog

_log = structlog.get_logger(__name__)

TIMEOUT_S: Final = 60.0
"""For a request to come, its body included, and for its answer to be taken."""

_LINES: Final = 128
_TURNED_AWAY: Final = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class LineServer(ThreadingHTTPServer):
    """A thread for each line, up to a limit; who comes then is turned away."""

    daemon_threads = True
    # A stop waits for no answer: reading can be asked again.
    block_on_close = False
    # The usual 5 makes the sixth of those who come together wait for a second.
    request_queue_size = _LINES

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._places = threading.BoundedSemaphore(_LINES)
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give the line a thread, if there is a place for it."""
        if not self._places.acquire(blocking=False):
            _log.warning("too many HTTP clients", at_once=_LINES)
            with contextlib.suppress(OSError):
                request.send(_TURNED_AWAY, socket.MSG_DONTWAIT)
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._places.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve the line to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Note that a line broke."""
        _log.info("an HTTP client is gone", client=client_address[0])


class LineHandler(BaseHTTPRequestHandler):
    """Requests on one line, each of which has to come within a time in all, not a byte within it."""

    protocol_version = "HTTP/1.1"
    server_version = "ClickHouse"
    sys_version = ""

    def setup(self) -> None:
        """Read by a clock."""
        super().setup()
        self.rfile.close()
        self._reading = _Reading(self.connection)
        self.rfile = io.BufferedReader(self._reading)

    def handle_one_request(self) -> None:
        """One request; it and the wait for it share their time."""
        self.give_time(TIMEOUT_S)
        super().handle_one_request()

    def give_time(self, seconds: float) -> None:
        """From now on all that is read has to come in so many seconds."""
        self._reading.until = time.monotonic() + seconds

    def log_message(self, format: str, *args: object) -> None:
        """Keep it back: the address that it would log holds the query, and may hold a password."""


class _Reading(io.RawIOBase):
    """What a client sends, as a file that fails once the time is over."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.until = 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError("too slow")
        self._sock.settimeout(left)
        return self._sock.recv_into(buffer)
