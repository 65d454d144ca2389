"""How the server ends a connection."""

import socket
from typing import Any

import pytest

from infra.clickhouse import server


class Trickle(socket.socket):
    """A line on which a byte comes whenever somebody waits for one."""

    def shutdown(self, how: int) -> None:
        pass

    def recv(self, *_: Any) -> bytes:
        return b"x"


def test_a_byte_now_and_then_does_not_keep_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an end the wait would go on for as many bytes as may come."""
    monkeypatch.setattr(server, "_LINGER_IN_ALL_S", 0.05)
    monkeypatch.setattr(server, "_LINGER_BYTES", 1 << 40)
    line = Trickle()
    server._close(line)
    assert line.fileno() == -1
