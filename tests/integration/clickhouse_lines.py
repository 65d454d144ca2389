"""Lines to a ClickHouse server for its tests: clickhouse-driver's, and bare sockets that speak it badly."""

import socket
import struct
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from clickhouse_driver import Client

from infra.clickhouse.block import walk_block
from infra.clickhouse.protocol import REVISION, ClientPacket, ServerPacket
from infra.clickhouse.reader import SocketSource, WireReader
from infra.clickhouse.writer import text, varint


def connect(url: str, **options: object) -> Client:
    """A client of the server at this address, with options of clickhouse-driver."""
    parts = urlsplit(url)
    given = {
        "host": parts.hostname,
        "port": parts.port or 9000,
        "user": parts.username,
        "password": unquote(parts.password or ""),
        "database": parts.path.removeprefix("/"),
    }
    return Client(**{**given, **options})


def database(url: str, name: str) -> str:
    """The address of a fresh database on the same server."""
    with connect(url, database="default") as client:
        client.execute(f"DROP DATABASE IF EXISTS {name} SYNC")
        client.execute(f"CREATE DATABASE {name}")
    return urlsplit(url)._replace(path=f"/{name}").geturl()


class RawLine:
    """A socket to the server, and the packets that come back on it."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        assert self._parts.hostname is not None
        self.socket = socket.create_connection((self._parts.hostname, self._parts.port or 9000), timeout=30)
        self._reader = WireReader(SocketSource(self.socket))

    def __enter__(self) -> "RawLine":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *parts: bytes) -> None:
        self.socket.sendall(b"".join(parts))

    def hello(self) -> None:
        """Introduce itself as the address says, and read the server's answer."""
        user, password = self._parts.username or "default", unquote(self._parts.password or "")
        self.send(
            varint(ClientPacket.HELLO),
            text("test"),
            varint(1),
            varint(1),
            varint(REVISION),
            text(self._parts.path.removeprefix("/")),
            text(user),
            text(password),
        )
        assert self._reader.varint() == ServerPacket.HELLO
        self._reader.text()
        for _ in ("major", "minor", "revision"):
            self._reader.varint()
        for _ in ("time zone", "display name"):
            self._reader.text()
        self._reader.varint()

    def query(self, sql: str, *, compression: int = 0) -> None:
        """Ask something, without external tables."""
        self.send(
            varint(ClientPacket.QUERY),
            text(""),
            b"\0",
            text(""),
            varint(2),
            varint(compression),
            text(sql),
            data_head(),
            b"\0\0",
        )

    def read_packet(self) -> int:
        """The type of the next packet."""
        return self._reader.varint()

    def answer(self) -> Iterator[int]:
        """The types of the packets of an answer, up to its end or an error."""
        packet = None
        while packet not in (ServerPacket.END_OF_STREAM, ServerPacket.EXCEPTION):
            packet = self.read_packet()
            self._skip(packet)
            yield packet

    def read_error(self) -> tuple[int, str]:
        """Read an exception packet, behind whatever progress was told before it; its code and message."""
        while (packet := self.read_packet()) == ServerPacket.PROGRESS:
            self._skip(packet)
        assert packet == ServerPacket.EXCEPTION
        code: int = struct.unpack("<i", self._reader.take(4))[0]
        self._reader.text()
        message = self._reader.text()
        self._reader.text()
        self._reader.byte()
        return code, message

    def _skip(self, packet: int) -> None:
        """Walk over what follows a packet's type."""
        if packet == ServerPacket.DATA:
            self._reader.text()
            self._reader.skip(8)
            walk_block(self._reader)
        elif packet in (ServerPacket.PROGRESS, ServerPacket.PROFILE_INFO):
            # Flags are numbers of one byte.
            for _ in range(5 if packet == ServerPacket.PROGRESS else 6):
                self._reader.varint()

    def is_closed(self) -> bool:
        """Whether the server ends the connection without another word."""
        try:
            return self._reader.at_end()
        except ConnectionResetError:
            return True

    def reset(self) -> None:
        """Go away as a killed process does, with answers unread."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def data_head(table: str = "") -> bytes:
    """The beginning of a Data packet, up to its block."""
    return varint(ClientPacket.DATA) + text(table) + b"\1\0\2\xff\xff\xff\xff\0"


def running(client: Client, sql: str) -> bool:
    """Whether the server has a statement that begins so at work."""
    found = client.execute("SELECT count() FROM system.processes WHERE startsWith(query, %(sql)s)", {"sql": sql})
    return bool(found[0][0])


def wait_until_running(client: Client, sql: str) -> None:
    """Return when the server has begun the statement. It tells nobody, so this asks; the test's time limit ends it."""
    while not running(client, sql):
        pass


def wait_until_over(client: Client, sql: str) -> None:
    """Return when the server no longer has the statement at work."""
    while running(client, sql):
        pass
