"""Real DL/T645 frames, each with what it says; damaged ones are refused with the byte."""

from datetime import datetime

import pytest

from collectors.wire import dlt645
from collectors.wire.dlt645 import Dlt645Cutter, MeterError, decode_frame, read_value
from collectors.wire.errors import FrameError


def frame(text: str) -> bytes:
    return bytes.fromhex(text)


READS = [
    ("68 61 01 00 00 00 00 68 11 04 33 33 34 33 14 16", "000000000161", 0x11, 0x00010000, b""),
    ("68 61 01 00 00 00 00 68 91 08 33 33 34 33 59 33 33 33 8A 16", "000000000161", 0x91, 0x00010000, b"\x26\0\0\0"),
    ("68 61 01 00 00 00 00 68 91 06 33 34 34 35 34 43 10 16", "000000000161", 0x91, 0x02010100, b"\x01\x10"),
    (
        "68 12 90 78 56 34 12 68 91 08 33 33 34 33 89 67 45 33 54 16",
        "123456789012",
        0x91,
        0x00010000,
        b"\x56\x34\x12\0",
    ),
    (
        "68 01 00 00 00 00 00 68 91 08 33 33 34 33 AB 89 67 45 17 16",
        "000000000001",
        0x91,
        0x00010000,
        b"\x78\x56\x34\x12",
    ),
    (
        "68 12 00 00 00 10 20 68 91 08 33 35 C3 33 89 CB 34 33 C4 16",
        "201000000012",
        0x91,
        0x00900200,
        b"\x56\x98\x01\0",
    ),
    ("68 61 10 01 30 12 15 68 91 06 36 38 33 37 83 33 BE 16", "151230011061", 0x91, 0x04000503, b"\x50\0"),
    ("68 66 00 00 02 30 22 68 91 06 33 34 34 35 83 56 CA 16", "223002000066", 0x91, 0x02010100, b"\x50\x23"),
    ("68 72 00 32 09 17 20 68 91 08 33 33 34 33 B9 34 33 33 6D 16", "201709320072", 0x91, 0x00010000, b"\x86\x01\0\0"),
    (
        "68 60 64 02 09 22 04 68 91 0A 33 32 34 35 47 56 33 33 33 33 97 16",
        "042209026460",
        0x91,
        0x0201FF00,
        b"\x14\x23\0\0\0\0",
    ),
]
"""Frames of public captures and drivers: address, control, identifier and value, low byte first."""


@pytest.mark.parametrize(("text", "address", "control", "di", "value"), READS, ids=[row[0][-14:] for row in READS])
def test_reads_and_answers(text: str, address: str, control: int, di: int, value: bytes) -> None:
    taken = decode_frame(frame(text))
    assert (taken.address, taken.control, taken.di, taken.data[4:]) == (address, control, di, value)
    assert dlt645.encode_frame(taken.address, taken.control, taken.data) == frame(text)


def test_an_abnormal_answer_tells_its_error() -> None:
    taken = decode_frame(frame("68 12 90 78 56 34 12 68 D1 01 35 8D 16"))
    assert taken.abnormal
    assert taken.error == MeterError.NO_DATA
    with pytest.raises(FrameError, match="refuses: error 02"):
        read_value(taken, 0x00010000)


def test_a_relay_command_is_the_captured_one() -> None:
    captured = "68 61 10 01 30 12 15 68 1C 10 35 6A 39 35 34 33 33 33 4D 33 33 33 33 63 45 CC 2C 16"
    made = dlt645.encode_relay(
        "151230011061",
        0x1A,
        deadline=datetime(2099, 12, 30),  # noqa: DTZ001  # the meter's local time, as on its clock
        password=bytes.fromhex("02370602"),
        operator=bytes.fromhex("01000000"),
    )
    assert made == frame(captured)


def test_acceptance_of_a_relay_command() -> None:
    taken = decode_frame(frame("68 61 10 01 30 12 15 68 9C 00 35 16"))
    assert (taken.address, taken.control, taken.data) == ("151230011061", 0x9C, b"")


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("68 03 00 00 00 00 00 68 81 04 44 E9 33 34 EC 16", 8),
        ("68 12 90 78 56 34 12 68 91 08 33 33 34 33 89 67 45 33 55 16", 18),
        ("68 12 90 78 56 34 12 68 91 07 33 33 34 33 89 67 45 33 54 16", 9),
        ("68 12 90 78 56 34 12 67 91 08 33 33 34 33 89 67 45 33 54 16", 7),
        ("68 12 90 78 56 34 12 68 91 08 33 33 34 33 89 67 45 33 54 17", 19),
        ("68 12 90 78", 4),
    ],
    ids=["of 1997", "check value", "length", "second start", "end", "cut short"],
)
def test_a_damaged_frame_names_its_byte(text: str, offset: int) -> None:
    with pytest.raises(FrameError) as caught:
        decode_frame(frame(text))
    assert caught.value.offset == offset


def test_bytes_that_are_no_digits_are_no_value() -> None:
    with pytest.raises(FrameError, match="FFFFFFFF is no BCD"):
        dlt645.from_bcd(b"\xff" * 4)


def test_the_cutter_finds_frames_behind_junk_split_and_joined() -> None:
    one, other = frame(READS[1][0]), frame(READS[6][0])
    damaged = bytearray(one)
    damaged[12] ^= 1
    stream = b"\x00\xfe\xfe\x68" + one + b"\xfe" + bytes(damaged) + other + other[:9]
    for step in (1, 7, len(stream)):
        cutter = Dlt645Cutter()
        found = [cut for start in range(0, len(stream), step) for cut in cutter.feed(stream[start : start + step])]
        assert found == [one, other]
        assert cutter.feed(other[9:]) == [other]
