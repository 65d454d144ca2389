"""Constants of ClickHouse's native protocol, and the packets that say who speaks.

    Hello, client    0 | name | major | minor | revision | database | user | password
    Hello, server    0 | name | major | minor | revision | time zone | display name | patch

Numbers are varints (7 bits a byte, lowest first), texts are a varint length and UTF-8 bytes. Both sides then
speak the lower of the two revisions.
"""

from dataclasses import dataclass
from enum import IntEnum

from infra.clickhouse.errors import Code, protocol_error
from infra.clickhouse.reader import WireReader
from infra.clickhouse.writer import text, varint

REVISION = 54429
"""The newest form of the protocol that this server speaks. Settings are texts from here on; from 54454 each
column of a block carries a byte that the engine's Native format has not."""

REVISION_TEMPORARY_TABLES = 50264
REVISION_TOTAL_ROWS = 51554
REVISION_BLOCK_INFO = 51903
REVISION_CLIENT_INFO = 54032
REVISION_TIME_ZONE = 54058
REVISION_QUOTA_KEY = 54060
REVISION_DISPLAY_NAME = 54372
REVISION_VERSION_PATCH = 54401
REVISION_WRITE_INFO = 54420
REVISION_TEXT_SETTINGS = 54429

SERVER_NAME = "ClickHouse"
DISPLAY_NAME = "sluice"

HELLO_TEXT_LIMIT = 4096
"""Before a client has shown its password it gets no room to speak of."""


class ClientPacket(IntEnum):
    """What a client's packet begins with."""

    HELLO = 0
    QUERY = 1
    DATA = 2
    CANCEL = 3
    PING = 4
    TABLES_STATUS = 5
    SCALAR = 7


class ServerPacket(IntEnum):
    """What the server's packets begin with."""

    HELLO = 0
    DATA = 1
    EXCEPTION = 2
    PROGRESS = 3
    PONG = 4
    END_OF_STREAM = 5
    PROFILE_INFO = 6
    TABLES_STATUS = 9


@dataclass(frozen=True, slots=True)
class ClientHello:
    """Who wants to speak, and with which form of the protocol."""

    client: str
    revision: int
    database: str
    user: str
    password: str


def read_hello(reader: WireReader) -> ClientHello:
    """Read a client's first packet.

    Raises:
        ProtocolError: It is something else.
    """
    kind = reader.varint()
    if kind != ClientPacket.HELLO:
        raise protocol_error(Code.UNEXPECTED_PACKET_FROM_CLIENT, f"Expected Hello, got packet {kind}")
    client = reader.text(HELLO_TEXT_LIMIT)
    reader.varint()
    reader.varint()
    revision = reader.varint()
    database = reader.text(HELLO_TEXT_LIMIT)
    user = reader.text(HELLO_TEXT_LIMIT) or "default"
    password = reader.text(HELLO_TEXT_LIMIT)
    return ClientHello(client, min(revision, REVISION), database, user, password)


def encode_hello(*, revision: int, version: tuple[int, int, int], time_zone: str) -> bytes:
    """The server's first packet, for a client that speaks `revision`."""
    major, minor, patch = version
    parts = [
        varint(ServerPacket.HELLO),
        text(SERVER_NAME),
        varint(major),
        varint(minor),
        varint(REVISION),
    ]
    if revision >= REVISION_TIME_ZONE:
        parts.append(text(time_zone))
    if revision >= REVISION_DISPLAY_NAME:
        parts.append(text(DISPLAY_NAME))
    if revision >= REVISION_VERSION_PATCH:
        parts.append(varint(patch))
    return b"".join(parts)
