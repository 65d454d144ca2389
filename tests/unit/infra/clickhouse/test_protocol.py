"""The first packets of both sides."""

import pytest

from infra.clickhouse.errors import Code, ProtocolError
from infra.clickhouse.protocol import (
    HELLO_TEXT_LIMIT,
    REVISION,
    ClientHello,
    encode_hello,
    read_hello,
)
from infra.clickhouse.reader import BytesSource, WireReader
from infra.clickhouse.writer import text, varint


def reader(*parts: bytes) -> WireReader:
    return WireReader(BytesSource(b"".join(parts)))


def hello(revision: int, user: str) -> WireReader:
    return reader(varint(0), text("c"), varint(20), varint(10), varint(revision), text("db"), text(user), text("s"))


@pytest.mark.parametrize(
    ("revision", "user", "expected"),
    [
        pytest.param(54412, "ann", ClientHello("c", 54412, "db", "ann", "s"), id="older than the server"),
        pytest.param(54468, "", ClientHello("c", REVISION, "db", "default", "s"), id="newer, without a name"),
    ],
)
def test_client_hello(revision: int, user: str, expected: ClientHello) -> None:
    assert read_hello(hello(revision, user)) == expected


@pytest.mark.parametrize(
    ("line", "code"),
    [
        pytest.param(reader(varint(1)), Code.UNEXPECTED_PACKET_FROM_CLIENT, id="query first"),
        pytest.param(hello(54429, "u" * (HELLO_TEXT_LIMIT + 1)), Code.TOO_LARGE_STRING_SIZE, id="long name"),
    ],
)
def test_wrong_hello(line: WireReader, code: Code) -> None:
    with pytest.raises(ProtocolError) as caught:
        read_hello(line)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("revision", "tail"),
    [
        (54000, b""),
        (54058, text("Etc/UTC")),
        (54372, text("Etc/UTC") + text("sluice")),
        (54429, text("Etc/UTC") + text("sluice") + varint(3)),
    ],
)
def test_server_hello_holds_what_the_client_knows(revision: int, tail: bytes) -> None:
    head = varint(0) + text("ClickHouse") + varint(26) + varint(9) + varint(REVISION)
    assert encode_hello(revision=revision, version=(26, 9, 3), time_zone="Etc/UTC") == head + tail
