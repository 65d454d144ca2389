"""The packet that asks something, in the forms of several revisions."""

import socket
from collections.abc import Iterator

import pytest

from infra.clickhouse.channel import Channel
from infra.clickhouse.connection import new_running
from infra.clickhouse.errors import Code, ProtocolError
from infra.clickhouse.query import Query, Running, Setting, read_query
from infra.clickhouse.writer import text, varint

CLIENT_INFO = b"\1" + text("") * 2 + text("[::1]:0") + b"\1" + text("me") + text("here") + text("test") + varint(1) * 3
NEWER_INFO = CLIENT_INFO + text("quota") + varint(7)


@pytest.fixture
def line() -> Iterator[tuple[socket.socket, Channel]]:
    client, server = socket.socketpair()
    with client, server:
        yield client, Channel(server)


@pytest.mark.parametrize(
    ("revision", "packet", "settings"),
    [
        pytest.param(
            54429,
            NEWER_INFO + text("a") + varint(1) + text("x") + text("b") + varint(0) + text("2") + text(""),
            {"a": Setting("x", True), "b": Setting("2", False)},
            id="settings as texts",
        ),
        pytest.param(
            54412,
            NEWER_INFO + text("max_threads") + varint(300) + text("distributed_product_mode") + text("t") + text(""),
            {"max_threads": Setting("300", False), "distributed_product_mode": Setting("t", False)},
            id="settings by their types",
        ),
        pytest.param(54058, CLIENT_INFO + text(""), {}, id="before quotas and patches"),
        pytest.param(54000, text(""), {}, id="before client info"),
        pytest.param(54429, b"\0" + text(""), {}, id="client info left out"),
    ],
)
def test_query(line: tuple[socket.socket, Channel], revision: int, packet: bytes, settings: dict[str, Setting]) -> None:
    client, channel = line
    channel.revision = revision
    client.sendall(text("id") + packet + varint(2) + varint(1) + text("SELECT 1"))
    assert read_query(channel) == Query("SELECT 1", settings, compressed=True)


@pytest.mark.parametrize(
    ("revision", "packet", "code"),
    [
        pytest.param(54412, NEWER_INFO + text("no_such_setting"), Code.UNKNOWN_SETTING, id="setting of unknown form"),
        pytest.param(54429, b"\1" + text("") * 3 + b"\x63", Code.INCORRECT_DATA, id="unknown interface"),
        pytest.param(54429, b"\0" + text("") + varint(2) + varint(2), Code.INCORRECT_DATA, id="compression"),
    ],
)
def test_wrong_query(line: tuple[socket.socket, Channel], revision: int, packet: bytes, code: Code) -> None:
    client, channel = line
    channel.revision = revision
    client.sendall(text("id") + packet)
    with pytest.raises(ProtocolError) as caught:
        read_query(channel)
    assert caught.value.code == code


def test_no_mark_is_part_of_another() -> None:
    """The engine stops what has the mark in its text: who cancels the first statement must not end the tenth."""
    marks = [new_running().mark for _ in range(120)]
    assert [(one, other) for one in marks for other in marks if one is not other and one in other] == []


@pytest.mark.parametrize(
    ("sql", "marked"),
    [("SELECT 1 -- all", "SELECT 1 -- all /*m*/"), ("INSERT INTO t VALUES (1)", "/*m*/ INSERT INTO t VALUES (1)")],
)
def test_mark_can_be_found_and_taken_out(sql: str, marked: str) -> None:
    running = Running("m")
    assert running.marked(sql) == marked
    assert running.unmarked(f"failed: {marked}") == f"failed: {sql}"
