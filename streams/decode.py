"""Rounds of a site, read together: raw frames in, one `ReadingBatch` out.

Blocks of one template and frame length are joined over all rounds before they are decoded, so that many
small gateways cost little more a reading than a large one; what is left in Python is per block, never per
frame. A frame that cannot be read and a reading whose meter nobody knows are set aside with their bytes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from collectors.wire.answers import read_register, read_supply
from collectors.wire.arrays import decode_registers, decode_supply
from collectors.wire.errors import FrameError
from collectors.wire.round import Block, Round
from collectors.wire.templates import TEMPLATES, Template
from streams.core.outcome import Supply
from streams.core.site import ReadingBatch

REGISTER_ITEM: Final = "energy"
SUPPLY_ITEM: Final = "relay"

T = TypeVar("T", bound=np.generic)
Decode = Callable[[Block, Template], tuple[NDArray[T], NDArray[np.bool_]]]
ReadOne = Callable[[bytes, Template, int], object]


class MeterNumbers(Protocol):
    """Where a site's meters are found by their line."""

    def meter_numbers(self, gateway: str, addresses: NDArray[np.uint64]) -> NDArray[np.int32]:
        """The running numbers of the meters at addresses behind a gateway, -1 where there is none in use."""
        ...


@dataclass(frozen=True, slots=True)
class RejectedFrame:
    """A frame that gave no reading the ledger can use; `line` counts the record's frames from 0."""

    offset: int
    line: int
    reason: str
    detail: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Readings:
    """What rounds hold.

    Attributes:
        batch: Readings in the order of the input.
        rejected: Frames that were set aside, those of unknown meters too (their readings stay in `batch`).
        unknown: Gateway and address of readings of unknown meters, by offset and line.
    """

    batch: ReadingBatch
    rejected: list[RejectedFrame]
    unknown: dict[tuple[int, int], str]


@dataclass(frozen=True, slots=True)
class _Placed:
    """A block, the round and record it came in, and the place of its first frame among the record's
    frames."""

    block: Block
    round: Round
    offset: int
    line: int

    def __len__(self) -> int:
        return len(self.block.addresses)

    def reject(self, index: int, reason: str, detail: str = "") -> RejectedFrame:
        """Set one frame aside."""
        block = self.block
        place = f"{self.round.gateway}/{block.addresses[index]} {block.template} {block.item}"
        return RejectedFrame(
            offset=self.offset,
            line=self.line + index,
            reason=reason,
            detail=f"{place}: {detail}" if detail else place,
            data=_frame(block, index),
        )


def read_rounds(meters: MeterNumbers, rounds: Sequence[tuple[int, Round]]) -> Readings:
    """Decode rounds of one site.

    Args:
        meters: The site's meters.
        rounds: Input offset and round, by rising offset.
    Returns:
        Every register frame that could be read, in input order: by offset, then by place in the record.
        Supply is joined by address within each round; `Supply.UNKNOWN` where the round does not tell.
    """
    registers: list[_Placed] = []
    supplies: list[_Placed] = []
    joins: list[slice] = []
    rejected: list[RejectedFrame] = []
    for offset, taken in rounds:
        line = 0
        first = len(registers)
        for block in taken.blocks:
            placed = _Placed(block, taken, offset, line)
            line += len(placed)
            if block.template not in TEMPLATES:
                rejected += [placed.reject(index, "template", "is not known") for index in range(len(placed))]
            elif block.item == REGISTER_ITEM:
                registers.append(placed)
            elif block.item == SUPPLY_ITEM:
                supplies.append(placed)
            else:
                rejected += [placed.reject(index, "item", "is not known") for index in range(len(placed))]
        joins += [slice(first, len(registers))] * (len(supplies) - len(joins))
    values, readable = _decode(registers, decode_registers, np.int64)
    codes, told = _decode(supplies, decode_supply, np.uint8)
    rejected += _unreadable(registers, readable, read_register) + _unreadable(supplies, told, read_supply)
    supply = _join_supply(registers, supplies, joins, codes)
    batch = _batch(meters, registers, values, supply)
    unknown = _unknown(registers, batch.meter, readable, rejected)
    if not readable.all():
        batch = ReadingBatch(*(getattr(batch, name)[readable] for name in ReadingBatch.__slots__))
    rejected.sort(key=lambda frame: (frame.offset, frame.line))
    return Readings(batch, rejected, unknown)


def _decode(placed: Sequence[_Placed], decode: Decode[T], dtype: type[T]) -> tuple[NDArray[T], NDArray[np.bool_]]:
    """The value of every frame in the order of the blocks, and whether it could be read."""
    alike: dict[tuple[str, int], list[int]] = {}
    for index, one in enumerate(placed):
        alike.setdefault((one.block.template, one.block.frame_length), []).append(index)
    if len(alike) == 1:
        block = placed[0].block
        return decode(_joined([one.block for one in placed]), TEMPLATES[block.template])
    counts = np.array([len(one) for one in placed], np.int64)
    starts = np.cumsum(counts) - counts
    values = np.zeros(int(counts.sum()), dtype)
    readable = np.zeros(len(values), np.bool_)
    for (template, _), members in alike.items():
        rows = _ranges(starts[members], counts[members])
        found = decode(_joined([placed[index].block for index in members]), TEMPLATES[template])
        values[rows], readable[rows] = found
    return values, readable


def _joined(blocks: Sequence[Block]) -> Block:
    """Blocks of one template, item and frame length as one."""
    first = blocks[0]
    if len(blocks) == 1:
        return first
    return Block(
        template=first.template,
        item=first.item,
        addresses=np.concatenate([block.addresses for block in blocks]),
        read_at=np.concatenate([block.read_at for block in blocks]),
        frame_length=first.frame_length,
        lengths=None if first.lengths is None else np.concatenate([block.lengths for block in blocks]),
        data=b"".join([block.data for block in blocks]),
    )


def _join_supply(
    registers: Sequence[_Placed],
    supplies: Sequence[_Placed],
    joins: Sequence[slice],
    codes: NDArray[np.uint8],
) -> NDArray[np.uint8]:
    """Supply codes for every register frame, by address within the round.

    Args:
        joins: For each of `supplies`, its round's part of `registers`.
    """
    counts = np.array([len(one) for one in registers], np.int64)
    starts = np.cumsum(counts) - counts
    supply = np.full(int(counts.sum()), Supply.UNKNOWN, np.uint8)
    whole: list[tuple[int, int, int]] = []
    code_at = 0
    for one, join in zip(supplies, joins, strict=True):
        addresses = one.block.addresses
        for index in range(join.start, join.stop):
            theirs = registers[index].block.addresses
            # A round says by a flag that a block has the addresses of the block before; then both share the
            # array.
            if theirs is addresses or np.array_equal(theirs, addresses):
                whole.append((int(starts[index]), code_at, len(one)))
            else:
                rows, picks = _matches(theirs, addresses)
                supply[starts[index] + rows] = codes[code_at + picks]
        code_at += len(one)
    if whole:
        rows_at, codes_at, lengths = np.array(whole, np.int64).T
        supply[_ranges(rows_at, lengths)] = codes[_ranges(codes_at, lengths)]
    return supply


def _matches(wanted: NDArray[np.uint64], offered: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places in `wanted` whose address is offered, and the places in `offered` where it is (the last of
    several)."""
    if not len(offered):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    order = np.argsort(offered, kind="stable")
    found = np.searchsorted(offered, wanted, side="right", sorter=order) - 1
    picks = order[np.maximum(found, 0)]
    rows = np.flatnonzero((found >= 0) & (offered[picks] == wanted))
    return rows, picks[rows]


def _batch(
    meters: MeterNumbers,
    registers: Sequence[_Placed],
    values: NDArray[np.int64],
    supply: NDArray[np.uint8],
) -> ReadingBatch:
    """All register frames as arrays, in their order."""
    if not registers:
        return ReadingBatch(
            meter=np.empty(0, np.int32),
            register=np.empty(0, np.int64),
            read_at=np.empty(0, np.int64),
            at=np.empty(0, np.int64),
            supply=supply,
            offset=np.empty(0, np.int64),
            line=np.empty(0, np.uint32),
        )
    counts = np.array([len(one) for one in registers], np.int64)
    at, offset, line = np.array([(one.round.collected_at, one.offset, one.line) for one in registers], np.int64).T
    starts = np.cumsum(counts) - counts
    lines = np.arange(len(values)) + np.repeat(line - starts, counts)
    return ReadingBatch(
        meter=np.concatenate([meters.meter_numbers(one.round.gateway, one.block.addresses) for one in registers]),
        register=values,
        read_at=np.concatenate([one.block.read_at for one in registers]),
        at=np.repeat(at, counts),
        supply=supply,
        offset=np.repeat(offset, counts),
        line=lines.astype(np.uint32),
    )


def _unreadable(placed: Sequence[_Placed], readable: NDArray[np.bool_], read: ReadOne) -> list[RejectedFrame]:
    """Frames that are no good answer; what is wrong with each is asked of the codec that reads one at a time."""
    rejected = []
    for one, index in _found(placed, np.flatnonzero(~readable)):
        block = one.block
        try:
            read(_frame(block, index), TEMPLATES[block.template], int(block.addresses[index]))
            detail = "is not an answer to what was asked"
        except FrameError as error:
            detail = str(error)
        rejected.append(one.reject(index, "damaged", detail))
    return rejected


def _unknown(
    registers: Sequence[_Placed],
    meter: NDArray[np.int32],
    readable: NDArray[np.bool_],
    rejected: list[RejectedFrame],
) -> dict[tuple[int, int], str]:
    """Where readings of unknown meters came from; their frames are set aside too, so that nothing is lost."""
    unknown = {}
    for one, index in _found(registers, np.flatnonzero((meter < 0) & readable)):
        rejected.append(one.reject(index, "unknown", "no meter in use is at this address"))
        unknown[one.offset, one.line + index] = f"{one.round.gateway}/{one.block.addresses[index]}"
    return unknown


def _found(placed: Sequence[_Placed], rows: NDArray[np.int64]) -> list[tuple[_Placed, int]]:
    """The block of each row, and the frame's index in it."""
    if not len(rows):
        return []
    ends = np.cumsum([len(one) for one in placed])
    blocks = np.searchsorted(ends, rows, side="right").tolist()
    return [
        (placed[block], row - int(ends[block]) + len(placed[block]))
        for block, row in zip(blocks, rows.tolist(), strict=True)
    ]


def _frame(block: Block, index: int) -> bytes:
    """The bytes of one frame."""
    if block.lengths is None:
        start, length = index * block.frame_length, block.frame_length
    else:
        start, length = int(block.lengths[:index].sum(dtype=np.int64)), int(block.lengths[index])
    return block.data[start : start + length]


def _ranges(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The whole numbers of `[start, start + count)` for each pair, one after the other."""
    ends = np.cumsum(counts)
    ranges: NDArray[np.int64] = np.repeat(starts - (ends - counts), counts)
    return ranges + np.arange(len(ranges))
