"""Rounds as most gateways send them: the same bytes each time, but for times and frames.

A gateway's rounds mostly differ only in `collected_at`, `read_at` and the frames. So the layout of one is kept, and
another that agrees with it in every other byte needs no parsing (`streams.alike`). Where some meters are asked for more
than the others, each in its turn, as for counts of events, a gateway has a layout for every turn.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from collectors.wire.round import Block, Round
from collectors.wire.template import ITEMS
from collectors.wire.templates import TEMPLATES
from streams.columns import REGISTER_ITEM, SUPPLY_ITEM

TIME_BYTES = 8
"""Of a time, and of an address."""
_HEAD_BYTES = TIME_BYTES + 1
"""`collected_at` and the number of blocks."""
_BLOCK_HEAD = 7
"""Bytes of a block's head without its template and item: their two lengths, flags, count and frame length."""

Addresses = NDArray[np.uint64]
Rows = NDArray[np.int64]


class Part(NamedTuple):
    """A block's place in a record behind its gateway's name.

    Attributes:
        line: The place of its first frame among the record's frames.
        read_at: Where the times of its frames begin, its own or those of a block before.
        begins: Where its frames begin.
    """

    item: str
    template: str
    frame_length: int
    frames: int
    line: int
    read_at: int
    begins: int

    @property
    def ends(self) -> int:
        """Where its frames end."""
        return self.begins + self.frames * self.frame_length


class Shape(NamedTuple):
    """Where things are in a record behind its gateway's name; rounds of one shape are read together.

    Attributes:
        beside: What is told beside registers.
        whole: Of each of `beside` whether it tells of all readings, in their order.
        size: Bytes behind the gateway's name.
    """

    registers: tuple[Part, ...]
    beside: tuple[Part, ...]
    whole: tuple[bool, ...]
    size: int

    @property
    def readings(self) -> int:
        """How many a record has."""
        return sum(part.frames for part in self.registers)


class _Fixed(NamedTuple):
    """Bytes that are the same each time, and where they are."""

    begins: int
    ends: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Layout:
    """What is the same in every round of a gateway: all but `collected_at`, `read_at` and the frames.

    Attributes:
        addresses: Of the readings, in their order.
        beside: Addresses of each part beside registers.
        rows: Of each part beside registers the readings that it tells of, by their place among the record's.
    """

    gateway: str
    shape: Shape
    addresses: Addresses
    beside: tuple[Addresses, ...]
    rows: tuple[Rows, ...]
    fixed: tuple[_Fixed, ...]

    @classmethod
    def of(cls, tail: bytes, taken: Round) -> Self | None:
        """The layout of a round whose bytes behind the gateway's name are `tail`; None where it is no common one."""
        registers = [block for block in taken.blocks if block.item == REGISTER_ITEM]
        beside = [block for block in taken.blocks if block.item != REGISTER_ITEM]
        if not registers or not _are_plain(taken.blocks):
            return None
        addresses = np.concatenate([block.addresses for block in registers])
        every = np.arange(len(addresses))
        rows = _rows_told(addresses, every, registers, beside)
        if rows is None:
            return None
        parts = list(_parts(taken.blocks))
        shape = Shape(
            registers=tuple(part for part in parts if part.item == REGISTER_ITEM),
            beside=tuple(part for part in parts if part.item != REGISTER_ITEM),
            whole=tuple(told is every for told in rows),
            size=len(tail),
        )
        told = tuple(block.addresses for block in beside)
        return cls(taken.gateway, shape, addresses, told, tuple(rows), tuple(_fixed(tail, parts)))

    def fits(self, tail: bytes) -> bool:
        """Whether a record with the same gateway and these bytes behind its name is of this layout."""
        if len(tail) != self.shape.size:
            return False
        for begins, ends, data in self.fixed:  # noqa: SIM110 a generator would cost more than all it compares
            if tail[begins:ends] != data:
                return False
        return True


def _are_plain(blocks: Sequence[Block]) -> bool:
    """Whether each block is of a known kind, its frames of one length."""
    return all(block.frame_length and block.template in TEMPLATES and block.item in ITEMS for block in blocks)


def _rows_told(
    addresses: Addresses, every: Rows, registers: Sequence[Block], beside: Sequence[Block]
) -> list[Rows] | None:
    """Of each block beside registers the readings that it tells of, see `Layout.rows`; `every` itself where it is all.

    None where joining them takes a closer look: where a meter has two registers in the round or is told of an item
    twice, or where an answer is beside no register, or beside one of another template.
    """
    order = np.argsort(addresses)
    ordered = addresses[order]
    if not len(ordered) or (ordered[1:] == ordered[:-1]).any():
        return None
    of_block = every * 0 if len(registers) == 1 else np.repeat(range(len(registers)), [len(each) for each in registers])
    found: list[Rows] = []
    of_item: dict[str, list[Rows]] = {}
    # Most blocks share the addresses of the one before.
    last, rows = registers[0].addresses, every if len(registers) == 1 else None
    for block in beside:
        if rows is None or block.addresses is not last:
            last, rows = block.addresses, _rows_at(block.addresses, ordered, order, every)
        if rows is None:
            return None
        # Supply counts whatever the template, see `streams.blocks`.
        alike = [block.item == SUPPLY_ITEM or block.template == each.template for each in registers]
        if not all(alike) and not np.array(alike)[of_block[rows]].all():
            return None
        found.append(rows)
        of_item.setdefault(block.item, []).append(rows)
    twice = (len(parts) > 1 and np.bincount(np.concatenate(parts)).max(initial=0) > 1 for parts in of_item.values())
    return None if any(twice) else found


def _rows_at(told: Addresses, ordered: Addresses, order: Rows, every: Rows) -> Rows | None:
    """Which readings are those at some addresses; None where one is there twice, or is none of a reading."""
    places = np.minimum(np.searchsorted(ordered, told), len(ordered) - 1)
    rows = order[places]
    if (ordered[places] != told).any() or np.bincount(rows).max(initial=0) > 1:
        return None
    return every if np.array_equal(rows, every) else rows


def _parts(blocks: Sequence[Block]) -> Iterator[Part]:
    """Where each block is in a record behind its gateway's name."""
    at, line, read_at = _HEAD_BYTES, 0, 0
    before: Block | None = None
    for block in blocks:
        count = len(block)
        at += _BLOCK_HEAD + len(block.template) + len(block.item)
        if before is None or block.addresses is not before.addresses:
            read_at = at + TIME_BYTES * count
            at = read_at + TIME_BYTES * count
        part = Part(block.item, block.template, block.frame_length, count, line, read_at, begins=at)
        yield part
        at, line, before = part.ends, line + count, block


def _fixed(tail: bytes, parts: Sequence[Part]) -> Iterator[_Fixed]:
    """What is between `collected_at`, times and frames."""
    at, read_at = TIME_BYTES, 0
    for part in parts:
        if part.read_at != read_at:
            read_at = part.read_at
            yield _Fixed(at, read_at, tail[at:read_at])
            at = read_at + TIME_BYTES * part.frames
        yield _Fixed(at, part.begins, tail[at : part.begins])
        at = part.ends
