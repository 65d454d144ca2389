"""DL/T645 frames of public captures, drivers and manuals, all of them in `fixtures/frames/dlt645.jsonl`.

A row has the frame, its address and control; where it reads, the identifier `di`. What follows is `data` (without the
+33), or the `numbers` that its equal parts hold, with so many `decimals`. `refused_at` is the byte at which it must be
refused.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from collectors.wire import dlt645
from collectors.wire.dlt645 import Dlt645Cutter, decode_frame
from collectors.wire.errors import FrameError

FRAMES = Path(__file__).parents[2] / "fixtures" / "frames" / "dlt645.jsonl"
ROWS: list[dict[str, Any]] = [json.loads(line) for line in FRAMES.read_text("utf-8").splitlines()]
GOOD = [row for row in ROWS if "refused_at" not in row]
REFUSED = [row for row in ROWS if "refused_at" in row]


def named(row: dict[str, Any]) -> str:
    return f"{row['address']} {row['control']} {row.get('di', '')} {row['frame'][-5:-3]}"


def bytes_of(row: dict[str, Any]) -> bytes:
    return bytes.fromhex(row["frame"])


def decimal(value: bytes, decimals: int) -> str:
    digits = f"{dlt645.from_bcd(value):0{decimals + 1}d}"
    return f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits


@pytest.mark.parametrize("row", GOOD, ids=named)
def test_a_real_frame_says_what_its_source_says(row: dict[str, Any]) -> None:
    taken = decode_frame(bytes_of(row))
    assert (taken.address, f"{taken.control:02X}") == (row["address"], row["control"])
    assert taken.di == (int(row["di"], 16) if "di" in row else None)
    body = taken.data if taken.di is None else taken.data[4:]
    if "numbers" in row:
        size, rest = divmod(len(body), len(row["numbers"]))
        assert rest == 0
        parts = [body[start : start + size] for start in range(0, len(body), size)]
        assert [decimal(part, row["decimals"]) for part in parts] == row["numbers"]
    else:
        assert body == bytes.fromhex(row["data"])


@pytest.mark.parametrize("row", GOOD, ids=named)
def test_a_real_frame_is_what_we_would_have_sent(row: dict[str, Any]) -> None:
    taken = decode_frame(bytes_of(row))
    assert dlt645.encode_frame(taken.address, taken.control, taken.data) == bytes_of(row)


@pytest.mark.parametrize("row", REFUSED, ids=named)
def test_a_frame_of_another_edition_is_refused(row: dict[str, Any]) -> None:
    with pytest.raises(FrameError) as refused:
        decode_frame(bytes_of(row))
    assert refused.value.offset == row["refused_at"]


@pytest.mark.parametrize("row", GOOD, ids=named)
def test_no_single_wrong_byte_of_a_real_frame_is_accepted(row: dict[str, Any]) -> None:
    """The check value is a sum, so any one byte that differs shows, wherever it is."""
    frame = bytes_of(row)
    for place in range(len(frame)):
        for flip in (0x01, 0x10, 0x80, 0xFF):
            damaged = bytearray(frame)
            damaged[place] ^= flip
            with pytest.raises(FrameError):
                decode_frame(bytes(damaged))


@pytest.mark.parametrize("size", [1, 3, 11, 4096], ids=lambda size: f"{size} bytes a read")
def test_all_of_them_are_cut_from_one_stream_with_junk_between(size: int) -> None:
    stream = b"".join(b"\x16\x00" + b"\xfe" * (number % 5) + bytes_of(row) for number, row in enumerate(GOOD))
    cutter = Dlt645Cutter()
    found = [frame for start in range(0, len(stream), size) for frame in cutter.feed(stream[start : start + size])]
    assert found == [bytes_of(row) for row in GOOD]
