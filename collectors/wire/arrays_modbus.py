"""Answers of Modbus meters by columns, in the envelope of Modbus TCP or of RTU: their length tells which."""

import numpy as np
from numpy.typing import NDArray

from collectors.wire.binary_fraction import HIGHEST
from collectors.wire.matrix import Addresses, Bytes, Good, Values
from collectors.wire.modbus_rtu import CRC_BEGIN, CRC_TABLE, answer_size
from collectors.wire.template import AnyItem, BandsItem, RegisterItem, RelayItem, StatusItem
from streams.core.outcome import Supply
from streams.core.told import INT64_MAX

Raw = NDArray[np.uint64]
_TCP_HEAD = 9
_RTU_HEAD = 3
_CRC_TABLE = np.array(CRC_TABLE, np.int64)


def answer_sizes(item: AnyItem) -> tuple[int, ...]:
    """The bytes of a good answer, by RTU and by Modbus TCP."""
    return answer_size(item.words), _TCP_HEAD + 2 * item.words


def registers(frames: Bytes, addresses: Addresses, item: RegisterItem) -> tuple[Values, Good]:
    """Running totals, and which frames are good."""
    good, cells = _words(frames, addresses, item.words, item.function)
    raw = _numbers(cells.reshape(len(frames), item.words, 2), high_word_first=item.high_word_first)
    if item.counts:
        counted, sound = _counts(raw, item.counts)
        return counted * item.scale, good & sound
    values, fits = _scaled(raw, item.scale)
    return values, good & fits


def bands(frames: Bytes, addresses: Addresses, item: BandsItem) -> tuple[Values, Good]:
    """Registers by tariff, a row a frame, and which frames are good."""
    good, cells = _words(frames, addresses, item.words, item.function)
    words = cells.reshape(len(frames), item.registers, item.size, 2)[:, item.skip :]
    values, fits = _scaled(_numbers(words, high_word_first=item.high_word_first), item.scale)
    return values, good & fits.all(axis=1)


def status(frames: Bytes, addresses: Addresses, item: StatusItem) -> tuple[Bytes, Good]:
    """The bytes of status by rising bits, a row a frame, and which frames are good."""
    good, cells = _words(frames, addresses, item.words, item.function)
    # Each word comes high byte first.
    return cells.reshape(len(frames), item.words, 2)[:, :, ::-1].reshape(len(frames), -1), good


def supply(frames: Bytes, addresses: Addresses, item: RelayItem) -> tuple[Bytes, Good]:
    """Codes of supply, and which frames are good."""
    good, words = _words(frames, addresses, item.words, item.function)
    codes = np.full(len(frames), Supply.UNKNOWN, np.uint8)
    for code, expected in ((Supply.ON, item.on), (Supply.OFF, item.off)):
        codes[(words == np.frombuffer(_big_endian(expected), np.uint8)).all(axis=1)] = code
    if item.automatic is not None:
        first = words[:, 0].astype(np.int64) << 8 | words[:, 1]
        codes[first == item.automatic] = Supply.ON
    return codes, good


def _words(frames: Bytes, addresses: Addresses, words: int, function: int) -> tuple[Good, Bytes]:
    """Whether each is the answer of the unit at its address to a read of so many words; and their bytes."""
    length = frames.shape[1]
    if length == answer_size(words):
        head = np.array([0, function, 2 * words], np.uint8)
        same = frames[:, :_RTU_HEAD] == head
        same[:, 0] = frames[:, 0] == addresses
        good: Good = same.all(axis=1) & (_crc(frames[:, :-2]) == _low_byte_first(frames[:, -2:]))
        return good, frames[:, _RTU_HEAD:-2]
    expected = np.array([0, 0, 0, length - 6, 0, function, 2 * words], np.uint8)
    # Everything between transaction and words is known but the unit, which is the address.
    same = frames[:, 2:_TCP_HEAD] == expected
    same[:, 4] = frames[:, 6] == addresses
    return np.asarray(same.all(axis=1)), frames[:, _TCP_HEAD:]


def _numbers(words: Bytes, *, high_word_first: bool) -> Raw:
    """The numbers of words, which are the last axis but one; their two bytes are the last, high byte first."""
    raw = np.zeros(words.shape[:-2], np.uint64)
    for place in range(words.shape[-2])[:: 1 if high_word_first else -1]:
        raw = raw << np.uint64(16) | words[..., place, 0].astype(np.uint64) << np.uint64(8) | words[..., place, 1]
    return raw


def _scaled(raw: Raw, scale: int) -> tuple[Values, Good]:
    """Numbers times a scale, and which of them 64 bits hold."""
    fits: Good = raw <= np.uint64(INT64_MAX // scale)
    return np.where(fits, raw, np.uint64(0)).astype(np.int64) * scale, fits


def _counts(raw: Raw, counts: int) -> tuple[Values, Good]:
    """Binary fractions as whole counts: exact, as 24 bits times `counts` fit the 53 of a float64."""
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = raw.astype(np.uint32).view(np.float32).astype(np.float64) * counts
        sound = (scaled >= 0) & (scaled < HIGHEST)
        rounded = np.floor(np.where(sound, scaled, 0) + 0.5)
    found = rounded.astype(np.int64)
    return found, np.asarray(sound & (found < HIGHEST))


def _crc(bytes_: Bytes) -> Values:
    crc = np.full(len(bytes_), CRC_BEGIN, np.int64)
    for place in range(bytes_.shape[1]):
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ bytes_[:, place]) & 0xFF]
    return crc


def _low_byte_first(pair: Bytes) -> Values:
    return pair[:, 0].astype(np.int64) | pair[:, 1].astype(np.int64) << 8


def _big_endian(words: tuple[int, ...]) -> bytes:
    return b"".join(word.to_bytes(2, "big") for word in words)
