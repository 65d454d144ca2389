"""The record format of a round: there and back, and every cut or damaged record refused."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.wire.round import Block, Round, RoundError, decode_round, encode_round

NAMES = st.text(min_size=1, max_size=20)
FRAMES = st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=6)


@st.composite
def rounds(draw: st.DrawFn) -> Round:
    blocks = []
    for _ in range(draw(st.integers(0, 3))):
        frames = draw(FRAMES)
        addresses = draw(st.lists(st.integers(0, 2**64 - 1), min_size=len(frames), max_size=len(frames)))
        read_at = draw(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=len(frames), max_size=len(frames)))
        block = Block.of_frames("ddsy1352", draw(st.sampled_from(["energy", "relay"])), addresses, read_at, frames)
        blocks.append(block)
        if draw(st.booleans()):
            blocks.append(Block.of_frames("ddsy1352", "relay", addresses, read_at, frames[::-1]))
    return Round(draw(NAMES), draw(NAMES), draw(st.integers(-(2**63), 2**63 - 1)), tuple(blocks))


def shown(taken: Round) -> object:
    blocks = [(b.template, b.item, b.addresses.tolist(), b.read_at.tolist(), b.frames()) for b in taken.blocks]
    return taken.site, taken.gateway, taken.collected_at, blocks


@given(rounds())
def test_decoding_undoes_encoding(taken: Round) -> None:
    assert shown(decode_round(encode_round(taken))) == shown(taken)


@given(rounds(), st.data())
def test_a_record_cut_short_or_drawn_out_is_refused(taken: Round, data: st.DataObject) -> None:
    record = encode_round(taken)
    with pytest.raises(RoundError):
        decode_round(record[: data.draw(st.integers(0, len(record) - 1))])
    with pytest.raises(RoundError):
        decode_round(record + b"\0")


@given(rounds(), st.data())
def test_a_damaged_record_raises_nothing_else(taken: Round, data: st.DataObject) -> None:
    record = bytearray(encode_round(taken))
    record[data.draw(st.integers(0, len(record) - 1))] ^= data.draw(st.integers(1, 255))
    with suppress(RoundError):
        decode_round(bytes(record))


def test_a_block_with_the_meters_of_the_one_before_repeats_nothing() -> None:
    block = Block.of_frames("t", "energy", [1, 2], [3, 4], [b"ab", b"cd"])
    twin = Block.of_frames("t", "relay", [1, 2], [3, 4], [b"x", b"yz"])
    record = encode_round(Round("S1", "G1", 5, (block, twin)))
    apart = encode_round(Round("S1", "G1", 5, (block, Block.of_frames("t", "relay", [1, 9], [3, 4], [b"x", b"yz"]))))
    assert len(apart) - len(record) == 2 * 16
    decoded = decode_round(record)
    assert decoded.blocks[1].addresses is decoded.blocks[0].addresses
    assert np.array_equal(decoded.blocks[1].read_at, [3, 4])
