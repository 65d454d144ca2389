"""Every real DL/T645 frame that is known, from `tests/fixtures/frames`, each with its public source."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from collectors.wire import dlt645
from collectors.wire.dlt645 import Dlt645Cutter, MeterError, decode_frame, from_bcd, read_value
from collectors.wire.errors import FrameError

FRAMES = Path(__file__).parents[2] / "fixtures" / "frames" / "dlt645.jsonl"
REAL: list[dict[str, Any]] = [json.loads(line) for line in FRAMES.read_text("utf-8").splitlines()]
TAKEN = [row for row in REAL if "refused" not in row]
READ_ANSWERS = [row for row in TAKEN if row["control"] == "91" and "values" in row]


def named(row: dict[str, Any]) -> str:
    return f"{row['address']} {row['control']} {row.get('di', '')}"


@pytest.mark.parametrize("row", TAKEN, ids=named)
def test_a_frame_is_taken_apart_and_put_together_again(row: dict[str, Any]) -> None:
    taken = decode_frame(bytes.fromhex(row["frame"]))
    assert taken.address == row["address"]
    assert taken.control == int(row["control"], 16)
    assert taken.di == (int(row["di"], 16) if "di" in row else None)
    assert taken.error == MeterError(int(row.get("error", "0"), 16))
    assert dlt645.encode_frame(taken.address, taken.control, taken.data) == bytes.fromhex(row["frame"])


@pytest.mark.parametrize("row", READ_ANSWERS, ids=named)
def test_values_read_as_the_source_says(row: dict[str, Any]) -> None:
    value = read_value(decode_frame(bytes.fromhex(row["frame"])), int(row["di"], 16))
    size = len(value) // len(row["values"])
    for place, text in enumerate(row["values"]):
        said = Decimal(text)
        exponent = said.as_tuple().exponent
        assert isinstance(exponent, int)
        assert Decimal(from_bcd(value[place * size : (place + 1) * size])).scaleb(exponent) == said


@pytest.mark.parametrize("row", [row for row in REAL if "refused" in row], ids=named)
def test_a_frame_of_the_1997_edition_is_refused_by_its_control_code(row: dict[str, Any]) -> None:
    with pytest.raises(FrameError, match=row["refused"]) as caught:
        decode_frame(bytes.fromhex(row["frame"]))
    assert caught.value.offset == 8


@pytest.mark.parametrize("size", [1, 3, 64, 10_000])
def test_all_frames_of_one_stream_are_found(size: int) -> None:
    frames = [bytes.fromhex(row["frame"]) for row in REAL]
    stream = b"".join(b"\xfe\xfe\x00" + frame for frame in frames)
    cutter = Dlt645Cutter()
    found = [cut for start in range(0, len(stream), size) for cut in cutter.feed(stream[start : start + size])]
    assert found == frames
