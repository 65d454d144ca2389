"""Equal frames as a matrix of bytes, a row a frame: what all protocols' array decoders need."""

import numpy as np
from numpy.typing import NDArray

from collectors.wire.template import BandsItem, StatusItem
from streams.core.conditions import bit_of
from streams.core.told import UNTOLD

Bytes = NDArray[np.uint8]
Good = NDArray[np.bool_]
Values = NDArray[np.int64]
Addresses = NDArray[np.uint64]

_POWERS = 10 ** np.arange(16, dtype=np.int64)


def from_bcd(value: Bytes) -> tuple[Values, Good]:
    """The numbers of BCD bytes, low byte first, and whether all their digits are digits."""
    high, low = value >> 4, value & 0x0F
    good: Good = np.asarray(((high <= 9) & (low <= 9)).all(axis=1))
    scale = _POWERS[: 2 * value.shape[1] : 2]
    return (high.astype(np.int64) * 10 + low) @ scale, good


def bands_from_bcd(value: Bytes, item: BandsItem) -> tuple[Values, Good]:
    """Registers by tariff, scaled, `UNTOLD` where all bytes of one are FF; and of which rows all others are digits."""
    of_tariffs = value.reshape(len(value), item.registers, item.size)[:, item.skip :]
    raw, digits = from_bcd(np.ascontiguousarray(of_tariffs).reshape(-1, item.size))
    shape = of_tariffs.shape[:2]
    absent = (of_tariffs == 0xFF).all(axis=2)
    good = (digits.reshape(shape) | absent).all(axis=1)
    return np.where(absent, UNTOLD, raw.reshape(shape) * item.scale), np.asarray(good)


def conditions_of(status: Bytes, item: StatusItem) -> Values:
    """The conditions that bytes of status show, as bits; the byte with the lowest bits is the first."""
    found = np.zeros(len(status), np.int64)
    for condition, bits in item.bits:
        there = np.zeros(len(status), np.bool_)
        for bit in bits:
            there |= status[:, bit // 8] >> (bit % 8) & 1 == 1
        found[there] |= bit_of(condition)
    return found


def from_bytes(value: Bytes) -> Values:
    """The numbers of at most seven bytes, low byte first."""
    return value.astype(np.int64) @ (np.int64(1) << 8 * np.arange(value.shape[1], dtype=np.int64))


def sums_hold(frames: Bytes) -> Good:
    """Whether the last but one byte of each is the sum mod 256 of all before it."""
    return np.asarray(frames[:, :-2].sum(axis=1, dtype=np.uint8) == frames[:, -2])
