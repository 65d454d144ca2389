"""Whole rounds at once: equal frames side by side as a matrix of bytes, checked and read by columns.

What each frame says is exactly what `collectors.wire.answers` reads from it alone; frames whose lengths vary, or whose
length is not that of a good answer, are read one by one there.
"""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from collectors.wire.answers import read_register, read_supply
from collectors.wire.dlt645 import ANSWER, READ
from collectors.wire.errors import FrameError
from collectors.wire.modbus import READ_HOLDING
from collectors.wire.round import Block
from collectors.wire.templates import Template
from streams.core.outcome import Supply

Bytes = NDArray[np.uint8]
Good = NDArray[np.bool_]
T = TypeVar("T", bound=np.generic)

_MODBUS_HEAD = 9
_DLT645_HEAD = 10
_DLT645_ENVELOPE = 12
_OFFSET = np.uint8(0x33)
_POWERS = 10 ** np.arange(16, dtype=np.int64)


def decode_registers(block: Block, template: Template) -> tuple[NDArray[np.int64], Good]:
    """The running totals that a block of the item `energy` tells.

    Returns:
        Wh or litres for each frame, and whether the frame is good; a total is 0 where it is not.
    """
    item = template.energy
    frames = _matrix(block, template, item.words)
    if frames is None:
        return _one_by_one(block, lambda frame, address: read_register(frame, template, address), np.int64)
    if template.protocol == "modbus-tcp":
        good = _good_modbus(frames, block.addresses)
        words = frames[:, _MODBUS_HEAD:].reshape(len(frames), item.words, 2)
        raw = np.zeros(len(frames), np.int64)
        for place in range(item.words) if item.high_word_first else range(item.words - 1, -1, -1):
            raw = raw << 16 | words[:, place, 0].astype(np.int64) << 8 | words[:, place, 1]
    else:
        good, value = _dlt645_values(frames, block.addresses, item.start)
        raw, digits = _from_bcd(value)
        good &= digits
    return np.where(good, raw * item.scale, 0), good


def decode_supply(block: Block, template: Template) -> tuple[Bytes, Good]:
    """What a block of the item `relay` tells of supply.

    Returns:
        A `Supply` code for each frame, and whether the frame is good; UNKNOWN where it is not.
    """
    item = template.relay
    frames = _matrix(block, template, item.words)
    if frames is None:
        return _one_by_one(block, lambda frame, address: read_supply(frame, template, address), np.uint8)
    if template.protocol == "modbus-tcp":
        good = _good_modbus(frames, block.addresses)
        words = frames[:, _MODBUS_HEAD:]
        supply = np.zeros(len(frames), np.uint8)
        for code, expected in ((Supply.ON, item.on), (Supply.OFF, item.off)):
            if len(expected) == item.words:
                supply[(words == np.frombuffer(_big_endian(expected), np.uint8)).all(axis=1)] = code
        if item.automatic is not None:
            first = words[:, 0].astype(np.int64) << 8 | words[:, 1]
            supply[first == item.automatic] = Supply.ON
    else:
        good, value = _dlt645_values(frames, block.addresses, item.start)
        is_open = value[:, item.off_bit // 8] >> (item.off_bit % 8) & 1
        supply = np.where(is_open == 1, Supply.OFF, Supply.ON).astype(np.uint8)
    return np.where(good, supply, np.uint8(Supply.UNKNOWN)), good


def _matrix(block: Block, template: Template, words: int) -> Bytes | None:
    """The frames as rows, where all have the length of a good answer."""
    modbus = template.protocol == "modbus-tcp"
    length = _MODBUS_HEAD + 2 * words if modbus else _DLT645_ENVELOPE + 4 + words
    if block.frame_length != length:
        return None
    return np.frombuffer(block.data, np.uint8).reshape(len(block), length)


def _good_modbus(frames: Bytes, addresses: NDArray[np.uint64]) -> Good:
    """Whether each is the answer of the unit at its address to a read of so many words."""
    length = frames.shape[1]
    expected = np.array([0, 0, 0, length - 6, 0, READ_HOLDING, length - _MODBUS_HEAD], np.uint8)
    # Everything between transaction and words is known but the unit, which is the address.
    same = frames[:, 2:_MODBUS_HEAD] == expected
    same[:, 4] = frames[:, 6] == addresses
    return np.asarray(same.all(axis=1))


def _dlt645_values(frames: Bytes, addresses: NDArray[np.uint64], di: int) -> tuple[Good, Bytes]:
    """Whether each is the answer of the meter at its address to a read of `di`; and the bytes of its value."""
    length = frames.shape[1]
    data = frames[:, _DLT645_HEAD:-2] - _OFFSET
    number, digits = _from_bcd(frames[:, 1:7])
    good: Good = (frames[:, 0] == 0x68) & (frames[:, 7] == 0x68) & (frames[:, -1] == 0x16)
    good &= (frames[:, 8] == READ | ANSWER) & (frames[:, 9] == length - _DLT645_ENVELOPE)
    good &= frames[:, :-2].sum(axis=1, dtype=np.uint8) == frames[:, -2]
    good = good & digits & (number.astype(np.uint64) == addresses)
    good &= (data[:, :4] == np.frombuffer(di.to_bytes(4, "little"), np.uint8)).all(axis=1)
    return good, data[:, 4:]


def _from_bcd(value: Bytes) -> tuple[NDArray[np.int64], Good]:
    """The numbers of BCD bytes, low byte first, and whether all their digits are digits."""
    high, low = value >> 4, value & 0x0F
    good: Good = np.asarray(((high <= 9) & (low <= 9)).all(axis=1))
    scale = _POWERS[: 2 * value.shape[1] : 2]
    return (high.astype(np.int64) * 10 + low) @ scale, good


def _big_endian(words: tuple[int, ...]) -> bytes:
    return b"".join(word.to_bytes(2, "big") for word in words)


def _one_by_one(block: Block, read: Callable[[bytes, int], int], dtype: type[T]) -> tuple[NDArray[T], Good]:
    values, good = np.zeros(len(block), dtype), np.zeros(len(block), np.bool_)
    for place, (frame, address) in enumerate(zip(block.frames(), block.addresses.tolist(), strict=True)):
        try:
            values[place] = read(frame, address)
            good[place] = True
        except FrameError:
            continue
    return values, good
