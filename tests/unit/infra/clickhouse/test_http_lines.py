"""How many lines HTTP clients have, and for how long each may say nothing, or little."""

import io
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from infra.clickhouse import http_lines
from infra.clickhouse.http_lines import LineHandler, LineServer
from infra.ports import HOST


class Hello(LineHandler, BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


@contextmanager
def door() -> Iterator[int]:
    server = LineServer((HOST, 0), Hello)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def connect(port: int) -> socket.socket:
    return socket.create_connection((HOST, port), timeout=30)


def ask(line: socket.socket) -> bytes:
    """The status of the answer; empty where the line was closed."""
    try:
        line.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        return line.recv(4096)[9:12]
    except ConnectionError:
        return b""


def test_lines_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_lines, "_LINES", 2)
    with door() as port, connect(port) as first, connect(port) as second:
        assert [ask(first), ask(second), ask(first)] == [b"200"] * 3
        with connect(port) as third:
            assert third.recv(4096).startswith(b"HTTP/1.1 503 ")
            assert third.recv(4096) == b""
        second.close()
        # The server hears of it in its own time; the time that the test may take is the limit.
        answer = b""
        while answer != b"200":
            with connect(port) as next_one:
                answer = ask(next_one)


def test_a_line_that_says_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_lines, "TIMEOUT_S", 0.05)
    with door() as port, connect(port) as idle, connect(port) as half:
        half.sendall(b"GET / HT")
        assert (idle.recv(100), half.recv(100)) == (b"", b"")


class Trickle(socket.socket):
    """A line on which a byte comes whenever somebody waits for one."""

    def recv_into(self, buffer: Any, *_: Any) -> int:
        buffer[0] = 1
        return 1


def test_a_byte_now_and_then_does_not_put_off_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    with Trickle() as line:
        handler = LineHandler.__new__(LineHandler)
        monkeypatch.setattr(handler, "request", line, raising=False)
        handler.setup()
        handler.give_time(0.05)
        assert isinstance(handler.rfile, io.BufferedReader)
        with pytest.raises(TimeoutError):
            list(iter(lambda: handler.rfile.read(1), b""))
