"""Modbus TCP frames there and back; streams in pieces; what is no Modbus."""

import pytest

from collectors.wire import modbus
from collectors.wire.errors import FrameError
from collectors.wire.modbus import ModbusCutter, decode_frame, read_words


def test_a_read_and_its_answer() -> None:
    assert modbus.encode_read(7, 17, start=0x57, words=2).hex(" ") == "00 07 00 00 00 06 11 03 00 57 00 02"
    answer = decode_frame(modbus.encode_read_answer(7, 17, (1, 0xFFFF)))
    assert (answer.transaction, answer.unit, read_words(answer)) == (7, 17, (1, 0xFFFF))


def test_a_write_is_laid_out_as_the_standard_says() -> None:
    made = modbus.encode_write(1, 17, start=0x57, values=(1, 1))
    assert made.hex(" ") == "00 01 00 00 00 0b 11 10 00 57 00 02 04 00 01 00 01"


def test_an_exception_is_no_value() -> None:
    answer = decode_frame(bytes.fromhex("0007000000031183 0B".replace(" ", "")))
    assert answer.exception == modbus.ModbusException.NO_ANSWER
    with pytest.raises(FrameError, match="exception 0B"):
        read_words(answer)


@pytest.mark.parametrize(
    ("text", "offset"),
    [("000700000006", 6), ("000700010003118302", 2), ("000700000004118302", 4), ("00070000000411830202", 8)],
    ids=["cut short", "protocol", "length", "exception of two bytes"],
)
def test_a_damaged_frame_names_its_byte(text: str, offset: int) -> None:
    with pytest.raises(FrameError) as caught:
        decode_frame(bytes.fromhex(text))
    assert caught.value.offset == offset


def test_the_cutter_takes_frames_split_and_joined() -> None:
    frames = [modbus.encode_read_answer(number, 1, (number,) * number) for number in range(1, 4)]
    stream = b"".join(frames)
    for step in (1, 5, len(stream)):
        cutter = ModbusCutter()
        found = [cut for start in range(0, len(stream), step) for cut in cutter.feed(stream[start : start + step])]
        assert found == frames


def test_a_stream_of_something_else_ends() -> None:
    with pytest.raises(FrameError, match="no Modbus TCP"):
        ModbusCutter().feed(b"GET / HTTP/1.1\r\n")
