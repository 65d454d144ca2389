"""What the HTTP door keeps in memory; the rest is tested with the server behind it."""

import http.client
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from infra.clickhouse import http_door
from infra.ports import HOST

LARGE = b"x" * (64 << 20)
"""More than a line's buffers take."""


class Service:
    """Lets everybody in, and answers with what was asked for."""

    users: Any

    def __init__(self) -> None:
        self.users = self

    def authenticate(self, user: str, password: str) -> None:
        pass


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    def answer(_: Any, asked: Any, __: Any) -> tuple[bytes, int]:
        return (LARGE if asked.sql == "large" else b"small"), 1

    monkeypatch.setattr(http_door, "_answer", answer)
    monkeypatch.setattr(http_door, "_ON_THE_WAY", 1)
    monkeypatch.setattr(http_door, "_WAIT_S", 0.05)
    service: Any = Service()
    with http_door.http_door(0, service, "sluice") as port:
        yield port


def ask(port: int, sql: str) -> tuple[int, int]:
    """Status and length of the answer."""
    line = http.client.HTTPConnection(HOST, port, timeout=30)
    line.request("GET", f"/?query={sql}")
    answer = line.getresponse()
    found = answer.status, len(answer.read())
    line.close()
    return found


def test_large_answers_that_nobody_takes_are_few(port: int) -> None:
    with socket.create_connection((HOST, port), timeout=30) as idle:
        idle.sendall(b"GET /?query=large HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.recv(12) == b"HTTP/1.1 200"
        assert ask(port, "large")[0] == 503
        assert ask(port, "small") == (200, 5)
    # The server hears of it in its own time; the time that the test may take is the limit.
    while ask(port, "large") != (200, len(LARGE)):
        pass
