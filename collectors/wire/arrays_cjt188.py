"""Answers of CJ/T188 meters by columns."""

import numpy as np

from collectors.wire.cjt188 import ANSWER, READ, SHORTEST, VALUE_AT, orders_of
from collectors.wire.matrix import Addresses, Bytes, Good, Values, bands_from_bcd, from_bcd, from_bytes, sums_hold
from collectors.wire.template import AnyItem, BandsItem, RegisterItem, RelayItem, StatusItem
from streams.core.outcome import Supply

_IDENTIFIER_AT = 11


def answer_sizes(item: AnyItem) -> tuple[int, ...]:
    """The bytes of a good answer."""
    return (SHORTEST + item.length,)


def registers(frames: Bytes, addresses: Addresses, item: RegisterItem) -> tuple[Values, Good]:
    """Running totals, and which frames are good."""
    good = _good(frames, addresses, item.start)
    start = VALUE_AT + item.at
    raw, digits = from_bcd(frames[:, start : start + item.words])
    if not item.units:
        return raw * item.scale, good & digits
    scales = np.zeros(256, np.int64)
    for unit, scale in item.units:
        scales[unit] = scale
    scale_of = scales[frames[:, start + item.words]]
    return raw * scale_of, good & digits & (scale_of > 0)


def bands(frames: Bytes, addresses: Addresses, item: BandsItem) -> tuple[Values, Good]:
    """Registers by tariff, a row a frame, and which frames are good."""
    start = VALUE_AT + item.at
    registers, digits = bands_from_bcd(frames[:, start : start + item.words], item)
    return registers, _good(frames, addresses, item.start) & digits


def status(frames: Bytes, addresses: Addresses, item: StatusItem) -> tuple[Bytes, Good]:
    """The bytes of status by rising bits, a row a frame, and which frames are good."""
    start = VALUE_AT + item.at
    return frames[:, start : start + item.words], _good(frames, addresses, item.start)


def supply(frames: Bytes, addresses: Addresses, item: RelayItem) -> tuple[Bytes, Good]:
    """Codes of supply, and which frames are good."""
    start = VALUE_AT + item.at
    found = from_bytes(frames[:, start : start + item.words]) & item.mask
    codes = np.full(len(frames), Supply.UNKNOWN, np.uint8)
    codes[np.isin(found, item.on)] = Supply.ON
    codes[np.isin(found, item.off)] = Supply.OFF
    return codes, _good(frames, addresses, item.start)


def _good(frames: Bytes, addresses: Addresses, di: int) -> Good:
    """Whether each is the answer of the meter at its address, of whatever type, to a read of `di`."""
    number, digits = from_bcd(frames[:, 2:9])
    good: Good = (frames[:, 0] == 0x68) & (frames[:, -1] == 0x16) & sums_hold(frames)
    good &= (frames[:, 9] == READ | ANSWER) & (frames[:, 10] == frames.shape[1] - SHORTEST)
    good = good & digits & (number.astype(np.uint64) == addresses)
    asked = np.zeros(len(frames), np.bool_)
    for sent in orders_of(di):
        asked |= (frames[:, _IDENTIFIER_AT : _IDENTIFIER_AT + 2] == np.frombuffer(sent, np.uint8)).all(axis=1)
    return good & asked
