"""Random damage to real frames, by the million: what is accepted of it, and whether that was right to accept.

Frames are damaged and decoded by columns, as a whole round is (a property test holds that against the decoding of
single frames). Whatever is accepted is judged anew here, by sums, lengths and digits that are computed in another way.

Run as `python -m tests.fuzz_frames --count N --seed N`.
"""

import argparse
import binascii
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collectors.wire import modbus, modbus_rtu
from collectors.wire.arrays import decode_registers
from collectors.wire.cjt188 import Cjt188Cutter
from collectors.wire.dlt645 import Dlt645Cutter
from collectors.wire.mbus import MbusCutter
from collectors.wire.modbus_rtu import RtuCutter
from collectors.wire.round import Block
from collectors.wire.sum_cutter import SumCutter
from collectors.wire.templates import TEMPLATES

FUZZ_COUNT = 10_000_000
_CHUNK = 100_000
Rows = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Real:
    """A good answer and the meter it is of.

    Attributes:
        judge: The raw counts that a frame may tell; none where its length, check value, address or digits are wrong.
        summed_from: Where its sum begins; None where it has none.
    """

    name: str
    template: str
    address: int
    frame: bytes
    scale: int
    judge: Callable[[bytes], Collection[int]]
    summed_from: int | None = None


def _one(count: int | None) -> Collection[int]:
    return () if count is None else (count,)


def _digits(value: bytes) -> int | None:
    text = "".join(f"{byte:02x}" for byte in reversed(value))
    return int(text) if all(digit in "0123456789" for digit in text) else None


def _judge_dlt645(frame: bytes) -> Collection[int]:
    shape = frame[0] == frame[7] == 0x68 and frame[-1] == 0x16 and frame[9] + 12 == len(frame) and frame[8] == 0x91
    body = bytes((byte - 0x33) % 256 for byte in frame[10:-2])
    asked = body[:4] == bytes.fromhex("00000100") and frame[1:7] == bytes.fromhex("129078563412")
    sound = shape and asked and np.uint8(sum(frame[:-2]) % 256) == frame[-2]
    return _one(_digits(body[4:]) if sound else None)


def _judge_cjt188(frame: bytes) -> Collection[int]:
    shape = frame[0] == 0x68 and frame[-1] == 0x16 and frame[10] + 13 == len(frame) and frame[9] == 0x81
    asked = frame[11:13] in (b"\x1f\x90", b"\x90\x1f") and frame[2:9] == bytes.fromhex("44332211003378")
    sound = shape and asked and sum(frame[:-2]) % 256 == frame[-2] and frame[18] == 0x2C
    return _one(_digits(frame[14:18]) if sound else None)


def _judge_rtu(frame: bytes) -> Collection[int]:
    # The same polynomial, bits mirrored: binascii's CRC runs from the top bit.
    mirrored = bytes(int(f"{byte:08b}"[::-1], 2) for byte in frame[:-2])
    crc = 0xFFFF
    for byte in mirrored:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ (0x8005 if crc & 0x8000 else 0)) & 0xFFFF
    right = int(f"{crc:016b}"[::-1], 2) == frame[-2] | frame[-1] << 8
    return _one(int.from_bytes(frame[3:7], "big") if right and frame[:3] == b"\x11\x03\x04" else None)


def _judge_tcp(frame: bytes) -> Collection[int]:
    # Modbus TCP has no check value: what its head says is all there is to check.
    return _one(int.from_bytes(frame[9:13], "big") if frame[2:9] == b"\x00\x00\x00\x07\x11\x03\x04" else None)


_MBUS_WHOLE = {1: 1, 2: 2, 3: 3, 4: 4, 6: 6, 7: 8}
_MBUS_BCD = {9: 1, 10: 2, 11: 3, 12: 4, 14: 6}
"""By the low half of DIF the bytes of a value."""


def _judge_mbus(frame: bytes) -> set[int]:
    """Litres of all that stand in an answer like a record of a volume of now, wherever its records begin."""
    shape = frame[0] == frame[3] == 0x68 and frame[1] == frame[2] == len(frame) - 6 and frame[-1] == 0x16
    if not (shape and frame[4] & 0xCF == 0x08 and frame[5] == 1 and sum(frame[4:-2]) % 256 == frame[-2]):
        return set()
    found = set()
    for place in range(7, len(frame) - 4):
        dif, exponent = frame[place], frame[place + 1] - 0x16
        size = _MBUS_WHOLE.get(dif) or _MBUS_BCD.get(dif) or 0
        value = frame[place + 2 : min(place + 2 + size, len(frame) - 2)]
        raw = int.from_bytes(value, "little", signed=True) if dif in _MBUS_WHOLE else _digits(value) if value else None
        if size == len(value) and raw is not None and raw >= 0 and -6 <= exponent <= 1:
            found.add(raw * 10 ** (exponent + 6) // 1000)
    return found


WATER = bytes.fromhex(
    "68 10 44 33 22 11 00 33 78 81 16 1F 90 00 00 77 66 55 2C 00 77 66 55 2C 31 01 22 11 05 15 20 21 84 13 16"
)
POWER = bytes.fromhex("68 12 90 78 56 34 12 68 91 08 33 33 34 33 89 67 45 33 54 16")
VOLUME = bytes.fromhex(
    "68 1B 1B 68 08 01 72 07 20 18 00 E6 1E 35 07 4C 00 00 00 0C 78 07 20 18 00 0C 16 69 02 00 00 96 16"
)
"""Of rscada/libmbus, test/test-frames/GWF-MTKcoder."""
REAL = (
    Real("dlt645", "dlt645-2007", 123456789012, POWER, 10, _judge_dlt645, summed_from=0),
    Real("cjt188", "cjt188-water", 78330011223344, WATER, 10, _judge_cjt188, summed_from=0),
    Real("rtu", "ddsy1352", 17, modbus_rtu.encode_read_answer(17, (1, 0x86A0)), 10, _judge_rtu),
    Real("mbus", "mbus-water", 1, VOLUME, 1, _judge_mbus, summed_from=4),
    Real("tcp", "ddsy1352", 17, modbus.encode_read_answer(7, 17, (1, 0x86A0)), 10, _judge_tcp),
)


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of damaged frames.

    Attributes:
        accepted: How many were still taken, most of them because only their value or nothing was changed.
        wrong: Some of those that should not have been, or not with the value that was read.
    """

    accepted: int
    wrong: list[bytes]


def judge_damaged(real: Real, count: int, seed: int) -> Judged:
    """Damage a frame so many times, and judge what is accepted."""
    rng = np.random.default_rng([seed, binascii.crc32(real.name.encode())])
    wrong: list[bytes] = []
    accepted = 0
    for start in range(0, count, _CHUNK):
        rows = _damaged(real, min(_CHUNK, count - start), rng)
        addresses, read_at = np.full(len(rows), real.address, np.uint64), np.zeros(len(rows), np.int64)
        block = Block(real.template, "energy", addresses, read_at, rows.shape[1], None, rows.tobytes())
        values, good = decode_registers(block, TEMPLATES[real.template])
        accepted += int(good.sum())
        for index in np.flatnonzero(good).tolist():
            rights = real.judge(rows[index].tobytes())
            if values[index] not in [right * real.scale for right in rights]:
                wrong.append(rows[index].tobytes())
        if len(wrong) > 3:
            break
    return Judged(accepted, wrong)


def _damaged(real: Real, count: int, rng: np.random.Generator) -> Rows:
    """One to four bytes of each frame changed: bits, whole bytes or two exchanged; half of them with the sum put right.

    A frame whose sum is right although its digits or its length are wrong is the one that tests most.
    """
    rows = np.tile(np.frombuffer(real.frame, np.uint8), (count, 1))
    every = np.arange(count)
    for turn in range(4):
        hit = every[rng.random(count) < (1.0 if turn == 0 else 0.4)]
        places = rng.integers(0, rows.shape[1], len(hit))
        kind = rng.integers(0, 3, len(hit))
        flipped = rows[hit, places] ^ (1 << rng.integers(0, 8, len(hit))).astype(np.uint8)
        drawn = rng.integers(0, 256, len(hit)).astype(np.uint8)
        others = rows[hit, rng.integers(0, rows.shape[1], len(hit))]
        rows[hit, places] = np.select([kind == 0, kind == 1], [flipped, drawn], others)
    mended = every[rng.random(count) < 0.5]
    if real.summed_from is not None:
        rows[mended, -2] = rows[mended, real.summed_from : -2].sum(axis=1, dtype=np.uint8)
    return rows


def new_cutter(real: Real) -> SumCutter | RtuCutter:
    """A cutter of a frame's protocol, which is none of Modbus TCP."""
    cutters: dict[str, Callable[[], SumCutter | RtuCutter]] = {
        "rtu": RtuCutter,
        "dlt645": Dlt645Cutter,
        "cjt188": Cjt188Cutter,
        "mbus": MbusCutter,
    }
    return cutters[real.name]()


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=FUZZ_COUNT)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    found = {real.name: judge_damaged(real, options.count // len(REAL), options.seed) for real in REAL}
    for name, judged in found.items():
        wrong = [frame.hex(" ") for frame in judged.wrong]
        print(f"{name}: {options.count // len(REAL):,} damaged, {judged.accepted:,} accepted, wrong: {wrong or 'none'}")
    sys.exit(any(judged.wrong for judged in found.values()))


if __name__ == "__main__":
    main()
