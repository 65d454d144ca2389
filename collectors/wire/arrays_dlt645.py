"""Answers of DL/T645 meters by columns."""

import numpy as np

from collectors.wire.dlt645 import ANSWER, READ, SHORTEST
from collectors.wire.matrix import Addresses, Bytes, Good, Values, bands_from_bcd, from_bcd, sums_hold
from collectors.wire.template import AnyItem, BandsItem, RegisterItem, RelayItem, StatusItem
from streams.core.outcome import Supply

_HEAD = 10
_IDENTIFIER = 4
_OFFSET = np.uint8(0x33)


def answer_sizes(item: AnyItem) -> tuple[int, ...]:
    """The bytes of a good answer."""
    return (SHORTEST + _IDENTIFIER + item.words,)


def registers(frames: Bytes, addresses: Addresses, item: RegisterItem) -> tuple[Values, Good]:
    """Running totals, and which frames are good."""
    good, value = _values(frames, addresses, item.start)
    raw, digits = from_bcd(value)
    return raw * item.scale, good & digits


def bands(frames: Bytes, addresses: Addresses, item: BandsItem) -> tuple[Values, Good]:
    """Registers by tariff, a row a frame, and which frames are good."""
    good, value = _values(frames, addresses, item.start)
    registers, digits = bands_from_bcd(value, item)
    return registers, good & digits


def status(frames: Bytes, addresses: Addresses, item: StatusItem) -> tuple[Bytes, Good]:
    """The bytes of status by rising bits, a row a frame, and which frames are good."""
    good, value = _values(frames, addresses, item.start)
    return value, good


def supply(frames: Bytes, addresses: Addresses, item: RelayItem) -> tuple[Bytes, Good]:
    """Codes of supply, and which frames are good."""
    good, value = _values(frames, addresses, item.start)
    is_open = value[:, item.off_bit // 8] >> (item.off_bit % 8) & 1
    return np.where(is_open == 1, Supply.OFF, Supply.ON).astype(np.uint8), good


def _values(frames: Bytes, addresses: Addresses, di: int) -> tuple[Good, Bytes]:
    """Whether each is the answer of the meter at its address to a read of `di`; and the bytes of its value."""
    data = frames[:, _HEAD:-2] - _OFFSET
    number, digits = from_bcd(frames[:, 1:7])
    good: Good = (frames[:, 0] == 0x68) & (frames[:, 7] == 0x68) & (frames[:, -1] == 0x16)
    good &= (frames[:, 8] == READ | ANSWER) & (frames[:, 9] == frames.shape[1] - SHORTEST)
    good &= sums_hold(frames)
    good = good & digits & (number.astype(np.uint64) == addresses)
    good &= (data[:, :_IDENTIFIER] == np.frombuffer(di.to_bytes(4, "little"), np.uint8)).all(axis=1)
    return good, data[:, _IDENTIFIER:]
