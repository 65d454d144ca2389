"""Compressed frames: there and back, and every way to be wrong."""

import struct

import pyarrow  # type: ignore[import-untyped]  # it has no type information
import pytest
from clickhouse_cityhash.cityhash import CityHash128

from infra.clickhouse.compression import FRAME_LIMIT, FRAME_RAW_BYTES, FrameSource, compress, read_frame
from infra.clickhouse.errors import Code, ProtocolError
from infra.clickhouse.reader import BytesSource, WireReader


def frame(method: int, body: bytes, raw_size: int, *, size: int | None = None) -> bytes:
    content = struct.pack("<BII", method, len(body) + 9 if size is None else size, raw_size) + body
    checksum = CityHash128(content)
    return struct.pack("<QQ", checksum >> 64, checksum & (1 << 64) - 1) + content


def reader(data: bytes) -> WireReader:
    return WireReader(BytesSource(data))


def test_there_and_back_over_several_frames() -> None:
    data = bytes(range(256)) * 5000 + b"end"
    frames = b"".join(compress(data))
    assert len(frames) < len(data) > FRAME_RAW_BYTES
    assert WireReader(FrameSource(reader(frames))).take(len(data)) == data


def test_zstd_is_read() -> None:
    data = b"kWh" * 1000
    packed = pyarrow.Codec("zstd").compress(data, asbytes=True)
    assert read_frame(reader(frame(0x90, packed, len(data)))) == data


def test_frames_without_compression_and_without_content() -> None:
    assert WireReader(FrameSource(reader(frame(2, b"", 0) + frame(2, b"abc", 3)))).take(3) == b"abc"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(frame(2, b"abc", 3)[:-1] + b"d", Code.CHECKSUM_DOESNT_MATCH, id="changed on the way"),
        pytest.param(frame(0x77, b"abc", 3), Code.UNKNOWN_COMPRESSION_METHOD, id="unknown method"),
        pytest.param(frame(0x82, b"abc", 300), Code.CANNOT_DECOMPRESS, id="not LZ4"),
        pytest.param(frame(0x90, b"abc", 300), Code.CANNOT_DECOMPRESS, id="not ZSTD"),
        pytest.param(frame(2, b"abc", 4), Code.CANNOT_DECOMPRESS, id="another size than claimed"),
        pytest.param(frame(2, b"", 0, size=8), Code.CANNOT_DECOMPRESS, id="smaller than its header"),
        pytest.param(frame(2, b"", 0, size=FRAME_LIMIT + 1), Code.CANNOT_DECOMPRESS, id="too large"),
        pytest.param(frame(0x82, b"abc", FRAME_LIMIT + 1), Code.CANNOT_DECOMPRESS, id="too large unpacked"),
    ],
)
def test_wrong_frame(data: bytes, code: Code) -> None:
    with pytest.raises(ProtocolError) as caught:
        read_frame(reader(data))
    assert caught.value.code == code
