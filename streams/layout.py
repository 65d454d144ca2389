"""Rounds as most gateways send them: the same bytes each time, but for times and frames.

A gateway's rounds mostly differ only in `collected_at`, `read_at` and the frames. So the layout of the first one is
kept; one that agrees with it in every other byte needs no parsing, and all rounds of one shape are read as a matrix of
bytes, a row a record. That saves most of the Python for each record, which at 16 readings a round took longer than
everything else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from collectors.wire.arrays import decode_registers
from collectors.wire.round import Block, Round
from collectors.wire.template import ITEMS
from collectors.wire.templates import TEMPLATES
from streams.beside import columns_beside, tells
from streams.columns import (
    REGISTER_ITEM,
    SUPPLY_ITEM,
    Columns,
    Line,
    MeterNumbers,
    RejectedFrame,
    select,
)
from streams.core.outcome import Supply
from streams.core.site import ReadingBatch

_TIME = 8
"""Bytes of a time, and of an address."""
_BLOCK_HEAD = 7
"""Bytes of a block's head without its template and item: their two lengths, flags, count and frame length."""


class Beside(NamedTuple):
    """Where the frames of an item beside the register are: from `begins` on, one of `frame_length` for each meter."""

    item: str
    template: str
    frame_length: int
    begins: int


class Shape(NamedTuple):
    """Where things are in a record behind its gateway's name; rounds of one shape are read together.

    Attributes:
        meters: How many; their registers come first, other items, if any, behind them.
        read_at: Where `read_at` begins, which ends where the register frames begin.
        registers: Where the register frames begin.
        size: Bytes behind the gateway's name.
    """

    template: str
    frame_length: int
    beside: tuple[Beside, ...]
    meters: int
    read_at: int
    registers: int
    size: int


@dataclass(frozen=True, slots=True)
class Layout:
    """What is the same in every round of a gateway: all but `collected_at`, `read_at` and the frames."""

    gateway: str
    addresses: NDArray[np.uint64]
    shape: Shape
    between: bytes
    """From `collected_at` to `read_at`: the number of blocks, the first one's head and its addresses."""
    heads: tuple[bytes, ...]
    """Of the blocks beside the registers, each right before its frames."""

    @classmethod
    def of(cls, tail: bytes, taken: Round) -> Self | None:
        """The layout of a round whose bytes behind the gateway's name are `tail`; None where it is no common one."""
        if not _is_common(taken.blocks):
            return None
        first, count = taken.blocks[0], len(taken.blocks[0])
        beside: list[Beside] = []
        heads: list[bytes] = []
        at = len(tail)
        for block in reversed(taken.blocks[1:]):
            at -= block.frame_length * count
            head = _BLOCK_HEAD + len(block.template) + len(block.item)
            beside.insert(0, Beside(block.item, block.template, block.frame_length, at))
            heads.insert(0, tail[at - head : at])
            at -= head
        registers = at - first.frame_length * count
        read_at = registers - _TIME * count
        shape = Shape(
            template=first.template,
            frame_length=first.frame_length,
            beside=tuple(beside),
            meters=count,
            read_at=read_at,
            registers=registers,
            size=len(tail),
        )
        return cls(taken.gateway, first.addresses, shape, tail[_TIME:read_at], tuple(heads))

    def fits(self, tail: bytes) -> bool:
        """Whether a record with the same gateway and these bytes behind its name is of this layout."""
        shape = self.shape
        return (
            len(tail) == shape.size
            and tail[_TIME : shape.read_at] == self.between
            and all(
                tail[each.begins - len(head) : each.begins] == head
                for each, head in zip(shape.beside, self.heads, strict=True)
            )
        )


def _is_common(blocks: Sequence[Block]) -> bool:
    """Whether blocks are registers and, of the same meters, other items, each once."""
    if not blocks or blocks[0].item != REGISTER_ITEM:
        return False
    first, items = blocks[0], [block.item for block in blocks]
    alike = all(block.template in TEMPLATES and block.frame_length for block in blocks)
    # What is beside a register is joined by address; of one that is there twice, frame by frame is not the same.
    once = len(np.unique(first.addresses)) == len(first)
    known = len(set(items)) == len(items) and set(items) <= set(ITEMS)
    return (
        alike
        and once
        and known
        and all(
            block.addresses is first.addresses and (block.item == SUPPLY_ITEM or block.template == first.template)
            for block in blocks[1:]
        )
    )


@dataclass(frozen=True, slots=True)
class Fitting:
    """A record of a known layout: its place in the batch, its offset, its bytes behind the gateway's name."""

    place: int
    offset: int
    layout: Layout
    tail: bytes


def read_alike(meters: MeterNumbers, records: Sequence[Fitting]) -> Columns:
    """Read records of one shape."""
    shape = records[0].layout.shape
    count = shape.meters
    matrix = np.frombuffer(b"".join([record.tail for record in records]), np.uint8).reshape(-1, shape.size)
    addresses = np.concatenate([record.layout.addresses for record in records])
    read_at = np.frombuffer(matrix[:, shape.read_at : shape.registers].tobytes(), "<i8")
    at = np.frombuffer(matrix[:, :_TIME].tobytes(), "<i8")
    frames = matrix[:, shape.registers : shape.registers + count * shape.frame_length].tobytes()
    block = Block(shape.template, REGISTER_ITEM, addresses, read_at, shape.frame_length, None, frames)
    register, readable = decode_registers(block, TEMPLATES[shape.template])
    rejected = _damaged(records, block, readable, first_line=0)
    told: dict[str, NDArray[Any]] = {SUPPLY_ITEM: np.full(len(register), Supply.UNKNOWN, np.uint8)}
    for nth, each in enumerate(shape.beside, 1):
        frames = matrix[:, each.begins : each.begins + count * each.frame_length].tobytes()
        beside = Block(each.template, each.item, addresses, read_at, each.frame_length, None, frames)
        told[each.item], good = tells(each.item)(beside, TEMPLATES[each.template])
        rejected += _damaged(records, beside, good, first_line=nth * count)
    has_overdraft = np.full(len(register), TEMPLATES[shape.template].overdraft is not None)
    batch = ReadingBatch(
        meter=np.concatenate(
            [meters.meter_numbers(record.layout.gateway, record.layout.addresses) for record in records]
        ),
        register=register,
        read_at=read_at,
        at=np.repeat(at, count),
        supply=told[SUPPLY_ITEM],
        offset=np.repeat(np.array([record.offset for record in records], np.int64), count),
        line=np.tile(np.arange(count, dtype=np.uint32), len(records)),
        **columns_beside(told, has_overdraft),
    )
    unknown = {}
    for row in np.flatnonzero((batch.meter < 0) & readable).tolist():
        line = _line(records, block, row, first_line=0)
        rejected.append(line.reject("unknown", "no meter in use is at this address"))
        unknown[line.offset, line.line] = f"{line.gateway}/{line.address}"
    place = np.repeat(np.array([record.place for record in records], np.int64), count)
    if not readable.all():
        place, batch = place[readable], select(batch, readable)
    return Columns(place, batch, rejected, unknown)


def _damaged(
    records: Sequence[Fitting], block: Block, good: NDArray[np.bool_], *, first_line: int
) -> list[RejectedFrame]:
    if good.all():
        return []
    return [
        _line(records, block, row, first_line=first_line).reject_damaged() for row in np.flatnonzero(~good).tolist()
    ]


def _line(records: Sequence[Fitting], block: Block, row: int, *, first_line: int) -> Line:
    """One frame of a block that was joined of all records."""
    record, index = divmod(row, records[0].layout.shape.meters)
    start = row * block.frame_length
    return Line(
        offset=records[record].offset,
        line=first_line + index,
        gateway=records[record].layout.gateway,
        address=int(block.addresses[row]),
        template=block.template,
        item=block.item,
        data=block.data[start : start + block.frame_length],
    )
