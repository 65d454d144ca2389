"""Rounds as most gateways send them: the same bytes each time, but for times and frames.

A gateway's rounds mostly differ only in `collected_at`, `read_at` and the frames. So the layout of the first one is
kept; one that agrees with it in every other byte needs no parsing, and all rounds of one shape are read as a matrix of
bytes, a row a record. That saves most of the Python for each record, which at 16 readings a round took longer than
everything else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from collectors.wire.arrays import decode_registers, decode_supply
from collectors.wire.round import Block, Round
from collectors.wire.templates import TEMPLATES
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


class Shape(NamedTuple):
    """Where things are in a record behind its gateway's name; rounds of one shape are read together.

    Attributes:
        meters: How many; their registers come first, their supply, if any, behind it.
        read_at: Where `read_at` begins, which ends where the register frames begin.
        registers: Where the register frames begin.
        supplies: Where the supply frames begin; the end where there are none.
        size: Bytes behind the gateway's name.
    """

    template: str
    frame_length: int
    supply_template: str
    supply_length: int
    meters: int
    read_at: int
    registers: int
    supplies: int
    size: int


@dataclass(frozen=True, slots=True)
class Layout:
    """What is the same in every round of a gateway: all but `collected_at`, `read_at` and the frames."""

    gateway: str
    addresses: NDArray[np.uint64]
    shape: Shape
    between: bytes
    """From `collected_at` to `read_at`: the number of blocks, the first one's head and its addresses."""
    behind: bytes
    """From the register frames to the supply frames: the second block's head."""

    @classmethod
    def of(cls, tail: bytes, taken: Round) -> Self | None:
        """The layout of a round whose bytes behind the gateway's name are `tail`; None where it is no common one."""
        if not 1 <= len(taken.blocks) <= 2:
            return None
        first, last = taken.blocks[0], taken.blocks[-1]
        alike = all(block.template in TEMPLATES and block.frame_length for block in taken.blocks)
        # Supply is joined by address; of one that is there twice, frame by frame is not the same.
        once = len(np.unique(first.addresses)) == len(first)
        if not alike or not once or first.item != REGISTER_ITEM:
            return None
        supply_template, supply_length, head = "", 0, 0
        if last is not first:
            if last.item != SUPPLY_ITEM or last.addresses is not first.addresses:
                return None
            supply_template, supply_length = last.template, last.frame_length
            head = _BLOCK_HEAD + len(last.template) + len(last.item)
        count = len(first)
        supplies = len(tail) - supply_length * count
        registers = supplies - head - first.frame_length * count
        read_at = registers - _TIME * count
        shape = Shape(
            template=first.template,
            frame_length=first.frame_length,
            supply_template=supply_template,
            supply_length=supply_length,
            meters=count,
            read_at=read_at,
            registers=registers,
            supplies=supplies,
            size=len(tail),
        )
        return cls(taken.gateway, first.addresses, shape, tail[_TIME:read_at], tail[supplies - head : supplies])

    def fits(self, tail: bytes) -> bool:
        """Whether a record with the same gateway and these bytes behind its name is of this layout."""
        shape = self.shape
        return (
            len(tail) == shape.size
            and tail[_TIME : shape.read_at] == self.between
            and tail[shape.supplies - len(self.behind) : shape.supplies] == self.behind
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
    supply = np.full(len(register), Supply.UNKNOWN, np.uint8)
    if shape.supply_template:
        frames = matrix[:, shape.supplies :].tobytes()
        relay = Block(shape.supply_template, SUPPLY_ITEM, addresses, read_at, shape.supply_length, None, frames)
        supply, told = decode_supply(relay, TEMPLATES[shape.supply_template])
        rejected += _damaged(records, relay, told, first_line=count)
    batch = ReadingBatch(
        meter=np.concatenate(
            [meters.meter_numbers(record.layout.gateway, record.layout.addresses) for record in records]
        ),
        register=register,
        read_at=read_at,
        at=np.repeat(at, count),
        supply=supply,
        offset=np.repeat(np.array([record.offset for record in records], np.int64), count),
        line=np.tile(np.arange(count, dtype=np.uint32), len(records)),
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
