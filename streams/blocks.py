"""Rounds of any form, block by block: what `streams.layout` leaves over.

Blocks of one template and frame length are joined over all rounds before they are decoded, so what is left in Python is
per block, never per frame.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from collectors.wire.arrays import decode_registers
from collectors.wire.round import Block, Round
from collectors.wire.template import ITEMS
from collectors.wire.templates import TEMPLATES, Template
from streams.beside import columns_beside, tells
from streams.columns import (
    BANDS_ITEM,
    REGISTER_ITEM,
    SUPPLY_ITEM,
    Columns,
    Line,
    MeterNumbers,
    RejectedFrame,
    ranges,
    select,
)
from streams.core.outcome import Supply
from streams.core.site import ReadingBatch
from streams.core.told import BANDS_MAX, UNTOLD

T = TypeVar("T", bound=np.generic)
Decode = Callable[[Block, Template], tuple[NDArray[T], NDArray[np.bool_]]]


@dataclass(frozen=True, slots=True)
class Parsed:
    """A round, its record's place in the batch and its offset."""

    place: int
    offset: int
    round: Round


@dataclass(frozen=True, slots=True)
class _Placed:
    """A block, the record that it came in, and the place of its first frame among the record's frames."""

    block: Block
    record: Parsed
    line: int

    def __len__(self) -> int:
        return len(self.block.addresses)

    def frame(self, index: int) -> Line:
        block = self.block
        if block.lengths is None:
            start, length = index * block.frame_length, block.frame_length
        else:
            start, length = int(block.lengths[:index].sum(dtype=np.int64)), int(block.lengths[index])
        return Line(
            offset=self.record.offset,
            line=self.line + index,
            gateway=self.record.round.gateway,
            address=int(block.addresses[index]),
            template=block.template,
            item=block.item,
            data=block.data[start : start + length],
        )

    def reject(self, reason: str, detail: str) -> list[RejectedFrame]:
        """Set all its frames aside."""
        return [self.frame(index).reject(reason, detail) for index in range(len(self))]


@dataclass(slots=True)
class _Beside:
    """Blocks of an item that is told beside the register, and for each its round's part of the register blocks."""

    placed: list[_Placed] = field(default_factory=list)
    joins: list[slice] = field(default_factory=list)


def read_parsed(meters: MeterNumbers, records: Sequence[Parsed]) -> Columns:
    """Read rounds of a site, by rising place.

    What is told beside a register is joined by address within each round: `Supply.UNKNOWN` or `UNTOLD` where the round
    does not tell.
    """
    registers: list[_Placed] = []
    beside = {item: _Beside() for item in ITEMS if item != REGISTER_ITEM}
    rejected: list[RejectedFrame] = []
    for record in records:
        line = 0
        first = len(registers)
        for block in record.round.blocks:
            placed = _Placed(block, record, line)
            line += len(placed)
            if block.template not in TEMPLATES:
                rejected += placed.reject("template", "is not known")
            elif block.item == REGISTER_ITEM:
                registers.append(placed)
            elif block.item in beside:
                beside[block.item].placed.append(placed)
            else:
                rejected += placed.reject("item", "is not known")
        for each in beside.values():
            each.joins += [slice(first, len(registers))] * (len(each.placed) - len(each.joins))
    values, readable = _decode(registers, decode_registers, np.int64)
    rejected += [frame.reject_damaged() for frame in _frames(registers, ~readable)]
    told = {}
    for item, each in beside.items():
        if each.placed or item == SUPPLY_ITEM:
            told[item], damaged = _tell(item, registers, each)
            rejected += damaged
    place, batch = _batch(meters, registers, values, told)
    unknown = {}
    for frame in _frames(registers, (batch.meter < 0) & readable):
        rejected.append(frame.reject("unknown", "no meter in use is at this address"))
        unknown[frame.offset, frame.line] = f"{frame.gateway}/{frame.address}"
    return Columns(place[readable], select(batch, readable), rejected, unknown)


def _tell(item: str, registers: Sequence[_Placed], beside: _Beside) -> tuple[NDArray[Any], list[RejectedFrame]]:
    """What is told of an item for every register frame, and its frames that are damaged or have no register beside."""
    if item == SUPPLY_ITEM:
        codes, good = _decode(beside.placed, tells(item), np.uint8)
        told: NDArray[Any]
        told, alone = _join(registers, beside, codes, good, Supply.UNKNOWN)
    else:
        columns = (BANDS_MAX,) if item == BANDS_ITEM else ()
        values, good = _decode(beside.placed, tells(item), np.int64, *columns)
        told, alone = _join(registers, beside, values, good, UNTOLD, of_template=True)
    rejected = [frame.reject_damaged() for frame in _frames(beside.placed, ~good)]
    rejected += [
        frame.reject("alone", "its round has no register of this meter") for frame in _frames(beside.placed, alone)
    ]
    return told, rejected


def _decode(
    placed: Sequence[_Placed], decode: Decode[T], dtype: type[T], *columns: int
) -> tuple[NDArray[T], NDArray[np.bool_]]:
    """The value of every frame in the order of the blocks, and whether it could be read."""
    alike: dict[tuple[str, int], list[int]] = {}
    for index, one in enumerate(placed):
        alike.setdefault((one.block.template, one.block.frame_length), []).append(index)
    counts = np.array([len(one) for one in placed], np.int64)
    starts = np.cumsum(counts) - counts
    values = np.zeros((int(counts.sum()), *columns), dtype)
    readable = np.zeros(len(values), np.bool_)
    for (template, _), members in alike.items():
        rows = ranges(starts[members], counts[members])
        found = decode(_joined([placed[index].block for index in members]), TEMPLATES[template])
        values[rows], readable[rows] = found
    return values, readable


def _joined(blocks: Sequence[Block]) -> Block:
    """Blocks of one template, item and frame length as one."""
    first = blocks[0]
    lengths = [block.lengths for block in blocks if block.lengths is not None]
    return Block(
        template=first.template,
        item=first.item,
        addresses=np.concatenate([block.addresses for block in blocks]),
        read_at=np.concatenate([block.read_at for block in blocks]),
        frame_length=first.frame_length,
        lengths=np.concatenate(lengths) if lengths else None,
        data=b"".join([block.data for block in blocks]),
    )


def _join(
    registers: Sequence[_Placed],
    beside: _Beside,
    values: NDArray[T],
    good: NDArray[np.bool_],
    untold: int,
    *,
    of_template: bool = False,
) -> tuple[NDArray[T], NDArray[np.bool_]]:
    """What is told for every register frame, by address within the round; `untold` where nothing is.

    Args:
        values, good: A row for each frame of `beside`, and whether it could be read. Of several the last good one
            counts.
        of_template: Whether only a frame of the register's template counts.

    Returns:
        A row for each register frame; and which good frames of `beside` are of meters without a register there.
    """
    counts = np.array([len(one) for one in registers], np.int64)
    starts = np.cumsum(counts) - counts
    told = np.full((int(counts.sum()), *values.shape[1:]), untold, values.dtype)
    alone = good.copy()
    value_at = 0
    for one, join in zip(beside.placed, beside.joins, strict=True):
        places = value_at + np.flatnonzero(good[value_at : value_at + len(one)])
        offered = one.block.addresses[places - value_at]
        for index in range(join.start, join.stop):
            if of_template and registers[index].block.template != one.block.template:
                continue
            wanted = registers[index].block.addresses
            rows, picks = _matches(wanted, offered)
            told[starts[index] + rows] = values[places[picks]]
            alone[places[picks]] = False
            if alone[places].any():
                # Those that a later one of the same meter stands for.
                alone[places[np.isin(offered, wanted)]] = False
        value_at += len(one)
    return told, alone


def _matches(wanted: NDArray[np.uint64], offered: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places in `wanted` whose address is offered, and the places in `offered` where it is (the last of several)."""
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
    told: Mapping[str, NDArray[Any]],
) -> tuple[NDArray[np.int64], ReadingBatch]:
    """All register frames as arrays, in their order, and the places of their records."""
    counts = np.array([len(one) for one in registers], np.int64)
    causes = [(one.record.place, one.record.round.collected_at, one.record.offset, one.line) for one in registers]
    place, at, offset, line = np.array(causes, np.int64).reshape(-1, 4).T
    has_overdraft = np.array([TEMPLATES[one.block.template].overdraft is not None for one in registers], np.bool_)
    none: list[NDArray[np.int32]] = [np.empty(0, np.int32)]
    batch = ReadingBatch(
        meter=np.concatenate(
            none + [meters.meter_numbers(one.record.round.gateway, one.block.addresses) for one in registers]
        ),
        register=values,
        read_at=np.concatenate([np.empty(0, np.int64), *(one.block.read_at for one in registers)]),
        at=np.repeat(at, counts),
        supply=told[SUPPLY_ITEM],
        offset=np.repeat(offset, counts),
        line=ranges(line, counts).astype(np.uint32),
        **columns_beside(told, np.repeat(has_overdraft, counts)),
    )
    return np.repeat(place, counts), batch


def _frames(placed: Sequence[_Placed], rows: NDArray[np.bool_]) -> list[Line]:
    """The frames that are marked, in the order of the blocks."""
    found = np.flatnonzero(rows)
    if not len(found):
        return []
    ends = np.cumsum([len(one) for one in placed])
    blocks = np.searchsorted(ends, found, side="right").tolist()
    return [
        placed[block].frame(row - int(ends[block]) + len(placed[block]))
        for block, row in zip(blocks, found.tolist(), strict=True)
    ]
