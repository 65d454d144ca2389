"""One client's line: packets in and out, in the form that both sides speak."""

import socket
import struct
from collections.abc import Sequence

from infra.clickhouse.block import BlockShape, Column, header_block, walk_block
from infra.clickhouse.compression import FRAME_LIMIT, FrameSource, compress
from infra.clickhouse.engine import Progress
from infra.clickhouse.errors import Code, ProtocolError, ServerError, protocol_error
from infra.clickhouse.protocol import (
    REVISION,
    REVISION_BLOCK_INFO,
    REVISION_TEMPORARY_TABLES,
    REVISION_TOTAL_ROWS,
    REVISION_WRITE_INFO,
    ServerPacket,
)
from infra.clickhouse.reader import Copy, SocketSource, WireReader
from infra.clickhouse.writer import text, varint

# Field 1: no overflow rows; field 2: bucket number -1; end.
_BLOCK_INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"

_JOIN_LIMIT = 1 << 16


class Channel:
    """The line to a client.

    Attributes:
        reader: What the client sends.
        source: Where the reader has it from.
        revision: The form of the protocol, agreed on with the first packets.
        compressed: Whether blocks travel in compressed frames, as the client asks with each query.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self.source = SocketSource(sock)
        self.reader = WireReader(self.source)
        self.revision = REVISION
        self.compressed = False

    def send(self, *parts: bytes) -> None:
        """Send bytes; small ones together, since each call is a segment on the line."""
        if sum(map(len, parts)) <= _JOIN_LIMIT:
            self._socket.sendall(b"".join(parts))
            return
        for part in parts:
            self._socket.sendall(part)

    def send_pong(self) -> None:
        """The answer to a ping."""
        self.send(varint(ServerPacket.PONG))

    def send_error(self, error: ServerError) -> None:
        """An exception packet: code, name, message, stack trace, whether another is nested in it."""
        self.send(
            varint(ServerPacket.EXCEPTION),
            struct.pack("<i", error.code),
            text("DB::Exception"),
            text(error.message),
            text(""),
            b"\x00",
        )

    def send_header(self, columns: Sequence[Column]) -> None:
        """The block without rows that says which columns come, or which are wanted."""
        self.send_block(header_block(columns))

    def send_block(self, block: bytes) -> None:
        """A block in the Native format."""
        head = varint(ServerPacket.DATA)
        if self.revision >= REVISION_TEMPORARY_TABLES:
            head += text("")
        info = _BLOCK_INFO if self.revision >= REVISION_BLOCK_INFO else b""
        if self.compressed:
            self.send(head, *compress(info + block))
        else:
            self.send(head + info, block)

    def send_profile(self, *, rows: int, blocks: int, size: int) -> None:
        """What an answer held in all; no limit was counted past."""
        self.send(
            varint(ServerPacket.PROFILE_INFO),
            varint(rows),
            varint(blocks),
            varint(size),
            b"\x00",
            varint(rows),
            b"\x01",
        )

    def send_progress(self, progress: Progress) -> None:
        """What was done since the last such packet."""
        parts = [varint(ServerPacket.PROGRESS), varint(progress.rows), varint(progress.size)]
        if self.revision >= REVISION_TOTAL_ROWS:
            parts.append(varint(progress.total_rows))
        if self.revision >= REVISION_WRITE_INFO:
            parts += [varint(progress.written_rows), varint(progress.written_bytes)]
        self.send(*parts)

    def send_end(self) -> None:
        """The end of an answer."""
        self.send(varint(ServerPacket.END_OF_STREAM))

    def read_table_name(self) -> str:
        """The name in front of a block: an external table's, or empty."""
        return self.reader.text() if self.revision >= REVISION_TEMPORARY_TABLES else ""

    def read_block(self, copy: Copy, frame_limit: int = FRAME_LIMIT) -> BlockShape:
        """Read one block, hand its bytes in the engine's form to `copy`, and say what it holds.

        Args:
            frame_limit: Bytes of a compressed frame, which is unpacked in memory.
        Raises:
            ProtocolError: It cannot be read, and where the next packet starts is not known.
        """
        reader = WireReader(FrameSource(self.reader, frame_limit)) if self.compressed else self.reader
        try:
            if self.revision >= REVISION_BLOCK_INFO:
                _skip_block_info(reader)
            with reader.copying(copy):
                shape = walk_block(reader)
        except ServerError as error:
            raise ProtocolError(error.code, error.message) from error
        if self.compressed and reader.held:
            raise protocol_error(Code.INCORRECT_DATA, "A compressed frame goes on behind its block")
        return shape


def _skip_block_info(reader: WireReader) -> None:
    while field := reader.varint():
        if field == 1:
            reader.skip(1)
        elif field == 2:
            reader.skip(4)
        else:
            raise protocol_error(Code.INCORRECT_DATA, f"A block's info has an unknown field {field}")
