"""Bytes from a fuzzer: decoders raise the one documented error, cutters none and find every good frame."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.wire import acrel4g, cjt188, dlt645, mbus, modbus, modbus_rtu
from collectors.wire.acrel4g import Acrel4gCutter, Acrel4gEnvelope
from collectors.wire.answers import read_register
from collectors.wire.errors import FrameError
from collectors.wire.round import decode_round
from collectors.wire.templates import TEMPLATES
from streams.columns import READ_ONE
from tests.fuzz_frames import FUZZ_COUNT, REAL, Real, judge_damaged, new_cutter

DECODERS = {
    "dlt645": dlt645.decode_frame,
    "cjt188": cjt188.decode_frame,
    "modbus": modbus.decode_frame,
    "rtu": modbus_rtu.decode_frame,
    "mbus": mbus.decode_frame,
    "acrel4g": acrel4g.decode_frame,
    "round": decode_round,
}
STREAMED = [real for real in REAL if real.name != "tcp"]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A real frame with bytes changed, put in or left out; or any bytes at all."""
    frame = bytearray(draw(st.sampled_from([real.frame for real in REAL])))
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(frame) - 1))
        frame[place : place + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
        if not frame:
            break
    return draw(st.sampled_from([bytes(frame), draw(st.binary(max_size=64))]))


@pytest.mark.parametrize("name", sorted(DECODERS))
@given(st.binary(max_size=80) | damaged())
def test_decoders_raise_nothing_but_their_error(name: str, data: bytes) -> None:
    offset = 0
    try:
        DECODERS[name](data)
    except FrameError as error:
        offset = error.offset
    assert 0 <= offset <= len(data)


@pytest.mark.parametrize("name", sorted(TEMPLATES))
@given(damaged(), st.integers(0, 99_999_999_999_999))
def test_answers_raise_nothing_but_their_error(name: str, data: bytes, address: int) -> None:
    for read in READ_ONE.values():
        try:
            read(data, TEMPLATES[name], address)
        except FrameError:
            continue


def _pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


@pytest.mark.parametrize("real", STREAMED, ids=lambda real: real.name)
@given(st.binary(max_size=300), st.lists(st.integers(0, 400), max_size=8))
def test_a_good_frame_is_found_at_once_behind_any_junk(real: Real, junk: bytes, cuts: list[int]) -> None:
    """No junk holds it back: it is there with its last byte, however the stream is cut."""
    cutter = new_cutter(real)
    found = [frame for piece in _pieces(junk + real.frame, cuts) for frame in cutter.feed(piece)]
    # Junk may by chance be the head of a valid frame that ends in the real one; drawn at random it never was.
    assert found[-1:] == [real.frame]


@pytest.mark.parametrize("real", STREAMED, ids=lambda real: real.name)
@given(st.data())
def test_cutters_give_only_frames_that_decode(real: Real, data: st.DataObject) -> None:
    for frame in new_cutter(real).feed(data.draw(st.binary(max_size=300)) + real.frame):
        DECODERS[real.name](frame)


@given(st.binary(max_size=200), st.lists(st.integers(0, 300), max_size=6), st.binary(max_size=60))
def test_a_4g_frame_is_found_behind_any_junk(junk: bytes, cuts: list[int], payload: bytes) -> None:
    cutter = Acrel4gCutter()
    stream = junk + acrel4g.encode_frame(acrel4g.PASS_THROUGH, payload)
    found = [frame for piece in _pieces(stream, cuts) for frame in cutter.feed(piece)]
    assert found[-1].payload == payload


marks = st.sampled_from([b"\x7b", b"\x7b\x7b", b"\x7d", b"\x7d\x7d", b"\x84", b"\x90", b"\x00"])
framed = st.builds(acrel4g.encode_frame, st.just(acrel4g.PASS_THROUGH), st.lists(marks, max_size=4).map(b"".join))


@given(st.lists(marks | framed, max_size=30).map(b"".join), st.lists(st.integers(0, 200), max_size=8))
def test_4g_frames_are_the_same_however_the_stream_is_cut(stream: bytes, cuts: list[int]) -> None:
    cutter = Acrel4gCutter()
    assert [frame for piece in _pieces(stream, cuts) for frame in cutter.feed(piece)] == Acrel4gCutter().feed(stream)


def test_bytes_that_all_may_begin_or_end_a_4g_frame_are_summed_once_a_beginning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever may call could else keep the collector busy for a second with each kilobyte."""
    summed = []

    def crc16(data: bytes, *known: int) -> int:
        summed.append(len(data))
        return modbus_rtu.crc16(data, *known)

    monkeypatch.setattr(acrel4g, "crc16", crc16)
    cutter, begins = Acrel4gCutter(), 170
    for piece in (bytes.fromhex("7b7b84") * begins, *[acrel4g.END] * 250):
        cutter.feed(piece)
    assert sum(summed) <= begins * 1024


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_an_envelope_takes_any_bytes(chunks: list[bytes]) -> None:
    envelope = Acrel4gEnvelope(lambda: bytes(7))
    for chunk in chunks:
        envelope.take(chunk)
        envelope.take(acrel4g.START + bytes([acrel4g.REGISTER]) + chunk)


@pytest.mark.parametrize("start", [b"\x68", b"\x68\x01\x02\x03\x04\x05\x06\x68\x91\xc8"], ids=["a 68", "a long head"])
@pytest.mark.parametrize("real", STREAMED[:2], ids=lambda real: real.name)
def test_a_false_start_holds_no_frame_back(real: Real, start: bytes) -> None:
    assert new_cutter(real).feed(start + real.frame) == [real.frame]


@pytest.mark.parametrize("real", REAL, ids=lambda real: real.name)
def test_no_damaged_frame_is_accepted(real: Real) -> None:
    (right,) = real.judge(real.frame)
    assert read_register(real.frame, TEMPLATES[real.template], real.address) == right * real.scale
    judged = judge_damaged(real, 100_000, seed=1)
    assert judged.wrong == []
    assert judged.accepted > 0


@pytest.mark.fuzz
@pytest.mark.parametrize("real", REAL, ids=lambda real: real.name)
def test_no_damaged_frame_is_accepted_of_ten_million(real: Real) -> None:
    assert judge_damaged(real, FUZZ_COUNT // len(REAL), seed=2).wrong == []
