"""Compressed frames, in which blocks travel when a client asks for compression.

    checksum     16 bytes  CityHash128 (of ClickHouse's version 1.0.2) of all that follows
    method        1 byte   0x82 LZ4, 0x90 ZSTD, 0x02 none
    size          4 bytes  of the frame without the checksum
    raw size      4 bytes  of the content
    content

Frames and blocks have no common borders: a block may span frames, and ends where a frame ends.
"""

import struct
from collections.abc import Iterator

import lz4.block
from clickhouse_cityhash.cityhash import CityHash128

from infra.clickhouse.errors import Code, protocol_error
from infra.clickhouse.reader import WireReader

FRAME_LIMIT = 1 << 30
"""Bytes of a frame, packed or not, as ClickHouse limits it (clickhouse-driver sends a whole block as one)."""

FRAME_RAW_BYTES = 1 << 20
"""What this server puts into a frame."""

_LZ4, _ZSTD, _NONE = 0x82, 0x90, 0x02
_HEADER = struct.Struct("<BII")
_CHECKSUM = struct.Struct("<QQ")
_LOW = (1 << 64) - 1


class FrameSource:
    """The content of the frames that follow on the wire; a frame is read when its bytes are asked for."""

    def __init__(self, reader: WireReader, limit: int = FRAME_LIMIT) -> None:
        self._reader = reader
        self._limit = limit

    def next_chunk(self) -> tuple[bytes, int]:
        """The content of the next frame that has any."""
        while True:
            content = read_frame(self._reader, self._limit)
            if content:
                return content, len(content)


def read_frame(reader: WireReader, limit: int = FRAME_LIMIT) -> bytes:
    """Read one frame and unpack it.

    Raises:
        ProtocolError: Its checksum, its method or its content is wrong, or it is too large.
    """
    checksum = reader.take(_CHECKSUM.size)
    header = reader.take(_HEADER.size)
    method, size, raw_size = _HEADER.unpack(header)
    if not _HEADER.size <= size <= limit or raw_size > limit:
        raise protocol_error(Code.CANNOT_DECOMPRESS, f"A compressed frame claims {size} bytes for {raw_size}")
    body = reader.take(size - _HEADER.size)
    if checksum != _checksum(header + body):
        raise protocol_error(Code.CHECKSUM_DOESNT_MATCH, "Checksum doesn't match: a compressed frame is corrupted")
    return _decompress(method, body, raw_size)


def compress(data: bytes) -> Iterator[bytes]:
    """Pack bytes into LZ4 frames."""
    for start in range(0, len(data), FRAME_RAW_BYTES):
        raw = data[start : start + FRAME_RAW_BYTES]
        body = lz4.block.compress(raw, store_size=False)
        frame = _HEADER.pack(_LZ4, len(body) + _HEADER.size, len(raw)) + body
        yield _checksum(frame) + frame


def _decompress(method: int, body: bytes, raw_size: int) -> bytes:
    try:
        content = _unpack(method, body, raw_size)
    except (lz4.block.LZ4BlockError, OSError, ValueError) as error:
        raise protocol_error(Code.CANNOT_DECOMPRESS, f"Cannot decompress: {error}") from error
    if len(content) != raw_size:
        raise protocol_error(Code.CANNOT_DECOMPRESS, f"A frame of {raw_size} bytes unpacked to {len(content)}")
    return content


def _unpack(method: int, body: bytes, raw_size: int) -> bytes:
    content: bytes
    if method == _LZ4:
        content = lz4.block.decompress(body, uncompressed_size=raw_size)
    elif method == _ZSTD:
        # Comes with chDB. Imported here since it is large and nearly every client speaks LZ4.
        import pyarrow  # type: ignore[import-untyped]  # it has no type information

        content = pyarrow.Codec("zstd").decompress(body, decompressed_size=raw_size, asbytes=True)
    elif method == _NONE:
        content = body
    else:
        raise protocol_error(
            Code.UNKNOWN_COMPRESSION_METHOD, f"Unknown compression method 0x{method:02x}: use lz4 or zstd"
        )
    return content


def _checksum(data: bytes) -> bytes:
    value: int = CityHash128(data)
    return _CHECKSUM.pack(value >> 64, value & _LOW)
