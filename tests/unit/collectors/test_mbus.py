"""M-Bus: public frames, what is refused, and requests that are never taken for repeats."""

import dataclasses
import json
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from collectors.gateways.dialects.mbus import MbusDialect
from collectors.gateways.line import Action, Item, Refused
from collectors.registry import MeterOnLine
from collectors.wire.answers import read_register
from collectors.wire.arrays import decode_registers
from collectors.wire.errors import FrameError
from collectors.wire.mbus import MbusCutter, decode_frame, encode_answer, read_litres
from collectors.wire.round import Block
from collectors.wire.templates import TEMPLATES
from infra.cli.app import app

WATER = TEMPLATES["mbus-water"]
NO_VOLUME = "68 15 15 68 08 02 72 78 56 34 12 24 40 01 07 13 00 00 00 0C 78 04 03 02 01 9D 16"
"""rscada/libmbus, test/test-frames/manual_frame7."""
VOLUME = "68 1B 1B 68 08 01 72 07 20 18 00 E6 1E 35 07 4C 00 00 00 0C 78 07 20 18 00 0C 16 69 02 00 00 96 16"
"""rscada/libmbus, test/test-frames/GWF-MTKcoder: 269 m3."""
HEAD = bytes.fromhex("78563412 2440 01 07 55 00 0000")


def answer(*records: str, address: int = 1) -> bytes:
    return encode_answer(address, 0x72, HEAD + bytes.fromhex("".join(records)))


def test_public_frames_say_what_their_source_says() -> None:
    assert read_litres(bytes.fromhex(VOLUME), 1, 0) == 269_000
    with pytest.raises(FrameError, match="has 0 volumes of storage 0"):
        read_litres(bytes.fromhex(NO_VOLUME), 2, 0)
    frame = bytes.fromhex(VOLUME)
    assert encode_answer(1, 0x72, decode_frame(frame).data) == frame
    told = json.loads(CliRunner().invoke(app, ["decode", "mbus", VOLUME]).output)
    assert (told["id"], told["manufacturer"], told["version"], told["medium"]) == ("00182007", "GWF", 53, "Water Meter")
    assert told["records"][1]["quantity"] == "Volume"
    assert (told["records"][1]["value"], told["records"][1]["unit"]) == ("269", "m3")
    assert CliRunner().invoke(app, ["decode", "mbus", VOLUME[:-5] + "97 16"]).exit_code == 2


@pytest.mark.parametrize(
    ("records", "litres"),
    [
        pytest.param(["0C 13 78 56 34 12"], 12_345_678, id="litres"),
        pytest.param(["04 13 78 56 34 12"], 0x12345678, id="a whole number"),
        pytest.param(["0C 14 78 56 34 12"], 123_456_780, id="hundredths of a m3"),
        pytest.param(["0C 10 78 56 34 12"], 12_345, id="millilitres, rounded down"),
        pytest.param(["4C 13 01 00 00 00", "0C 13 02 00 00 00"], 2, id="beside that of a day"),
    ],
)
def test_volumes_are_whole_litres(records: list[str], litres: int) -> None:
    assert read_litres(answer(*records), 1, 0) == litres


@pytest.mark.parametrize(
    ("records", "said"),
    [
        pytest.param(["0C 13 7A 56 34 12"], "has 0 volumes", id="no digit"),
        pytest.param(["0C 13 78 56 34 F2"], "is no BCD", id="a sign"),
        pytest.param(["04 13 FF FF FF FF"], "is none that a meter has counted", id="below 0"),
        pytest.param(["05 13 00 00 C8 42"], "volume is float", id="a binary fraction"),
        pytest.param(["0D 13 E0"], "of no fixed length", id="no bytes"),
        pytest.param(["0D 13 C2 78 56"], "of no fixed length", id="of variable length"),
        pytest.param(["0C 93 3A 78 56 34 12"], "has 0 volumes", id="uncorrected"),
        pytest.param(["1C 13 78 56 34 12"], "has 0 volumes", id="a maximum"),
        pytest.param(["0C 13 01 00 00 00", "0C 13 02 00 00 00"], "has 2 volumes", id="two"),
        pytest.param(["0C 03 01 00 00 00"], "has 0 volumes", id="energy"),
    ],
)
def test_what_is_no_volume_is_refused(records: list[str], said: str) -> None:
    with pytest.raises(FrameError, match=said):
        read_litres(answer(*records), 1, 0)


def test_another_storage_is_a_templates_to_name() -> None:
    stored = dataclasses.replace(WATER, energy=dataclasses.replace(WATER.energy, start=1))
    assert read_register(answer("4C 13 01 00 00 00", "0C 13 02 00 00 00"), stored, 1) == 1


@given(st.data())
def test_damaged_answers_raise_the_documented_error_alone(data: st.DataObject) -> None:
    frame = bytearray(bytes.fromhex(VOLUME))
    for place in data.draw(st.lists(st.integers(0, len(frame) - 1), min_size=1, max_size=4)):
        frame[place] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        frame[-2] = sum(frame[4:-2]) & 0xFF
    block = Block.of_frames("mbus-water", "energy", [1], [0], [bytes(frame)])
    values, good = decode_registers(block, WATER)
    try:
        litres = read_register(bytes(frame), WATER, 1)
    except FrameError:
        assert not good[0]
    else:
        assert np.array_equal(values[good], [litres])
        assert (sum(frame[4:-2]) & 0xFF, frame[1], frame[2], frame[5]) == (frame[-2], len(frame) - 6, len(frame) - 6, 1)


@pytest.mark.parametrize("size", [1, 2, 7, 1_000])
def test_answers_are_cut_out_of_whatever_comes(size: int) -> None:
    frame = bytes.fromhex(VOLUME)
    stream = b"\xe5\x68\x1b\x1b" + frame + frame[:9] + b"\x10\x5b" + frame
    cutter, found = MbusCutter(), []
    for start in range(0, len(stream), size):
        found += cutter.feed(stream[start : start + size])
    assert found == [frame, frame]


def test_a_request_never_looks_like_the_one_before() -> None:
    dialect, meter = MbusDialect(), MeterOnLine("W1", 1, WATER)
    requests = [dialect.read(meter, Item.ENERGY).request for _ in range(4)]
    assert [request.hex(" ") for request in requests] == ["10 7b 01 7c 16", "10 5b 01 5c 16"] * 2
    asking = dialect.read(meter, Item.ENERGY)
    assert asking.answers is not None
    assert asking.answers(bytes.fromhex(VOLUME))
    assert not asking.answers(bytes.fromhex(NO_VOLUME))
    with pytest.raises(Refused):
        dialect.command(meter, Action.CUT, datetime(2026, 1, 1, tzinfo=UTC))
