"""The wire reader: numbers, texts and walks, whatever pieces the bytes come in."""

import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.clickhouse.errors import Code, ProtocolError
from infra.clickhouse.reader import VALUE_LIMIT, BytesSource, SocketSource, WireReader
from infra.clickhouse.writer import text, varint


class PieceSource:
    """Gives its bytes in pieces of one size, from one buffer that is used again."""

    def __init__(self, data: bytes, size: int) -> None:
        self._pieces = [data[start : start + size] for start in range(0, len(data), size)]
        self._buffer = bytearray(size)

    def next_chunk(self) -> tuple[bytearray, int]:
        if not self._pieces:
            raise EOFError
        piece = self._pieces.pop(0)
        self._buffer[: len(piece)] = piece
        return self._buffer, len(piece)


def in_pieces(data: bytes, size: int) -> WireReader:
    return WireReader(PieceSource(data, size))


def whole(data: bytes) -> WireReader:
    return WireReader(BytesSource(data))


@given(st.integers(0, 2**64 - 1), st.integers(1, 4))
def test_varint_comes_back(number: int, size: int) -> None:
    assert in_pieces(varint(number), size).varint() == number


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\xff" * 10 + b"\x01", id="eleven bytes"),
        pytest.param(b"\xff" * 9 + b"\x02", id="65 bits"),
    ],
)
def test_varint_of_more_than_64_bits_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        whole(data).varint()
    assert caught.value.code == Code.INCORRECT_DATA


@given(st.lists(st.text(max_size=300), max_size=20), st.integers(1, 64))
def test_texts_come_back_and_can_be_walked_over(values: list[str], size: int) -> None:
    data = b"".join(text(value) for value in values)
    reader = in_pieces(data, size)
    assert [reader.text() for _ in values] == values

    walker = in_pieces(data + b"\x2a", size)
    walker.skip_texts(len(values))
    assert walker.byte() == 42
    assert walker.at_end()


def test_text_that_is_not_utf8_survives() -> None:
    value = whole(b"\x02\xffa").text()
    assert value.encode("utf-8", "surrogateescape") == b"\xffa"


def test_text_longer_than_its_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(ProtocolError) as caught:
        whole(varint(5) + b"abcde").text(limit=4)
    assert caught.value.code == Code.TOO_LARGE_STRING_SIZE


def test_walk_over_a_text_of_impossible_length_is_refused() -> None:
    with pytest.raises(ProtocolError) as caught:
        whole(varint(VALUE_LIMIT + 1)).skip_texts(1)
    assert caught.value.code == Code.TOO_LARGE_STRING_SIZE


def test_lying_length_ends_with_the_bytes_and_allocates_nothing() -> None:
    with pytest.raises(EOFError):
        whole(b"abc").take(1 << 60)
    with pytest.raises(EOFError):
        whole(b"abc").skip(1 << 60)


@given(st.binary(min_size=30, max_size=200), st.integers(1, 50), st.integers(0, 10), st.integers(0, 20))
def test_copying_hands_on_exactly_what_is_walked_over(data: bytes, size: int, before: int, inside: int) -> None:
    reader = in_pieces(data, size)
    copied = bytearray()
    reader.skip(before)
    with reader.copying(copied.extend):
        reader.skip(inside)
    reader.skip(1)
    assert copied == data[before : before + inside]


def test_numbers_of_fixed_width() -> None:
    reader = in_pieces((7).to_bytes(4, "little") + (2**63).to_bytes(8, "little"), 3)
    assert (reader.u32(), reader.u64()) == (7, 2**63)


def test_held_is_what_has_come_and_was_not_read() -> None:
    reader = whole(b"abc")
    assert bytes(reader.held) == b""
    reader.byte()
    assert bytes(reader.held) == b"bc"


class Trickle(socket.socket):
    """A line on which a byte comes whenever somebody waits for one."""

    def recv_into(self, buffer: Any, *_: Any) -> int:
        buffer[0] = 1
        return 1


def test_a_byte_now_and_then_does_not_put_off_the_end() -> None:
    with Trickle() as line:
        source = SocketSource(line)
        with source.within(0.05), pytest.raises(TimeoutError):
            WireReader(source).skip(VALUE_LIMIT)
        assert line.gettimeout() is None
        assert WireReader(source).take(3) == b"\1\1\1"
