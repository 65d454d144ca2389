"""Rounds of one shape, read together as a matrix of bytes, a row a record.

That saves most of the Python for each record, which at 16 readings a round took longer than everything else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collectors.wire.arrays import decode_registers
from collectors.wire.round import Block
from collectors.wire.templates import TEMPLATES
from streams.beside import columns_beside, tells
from streams.columns import SUPPLY_ITEM, Columns, Line, MeterNumbers, RejectedFrame, select
from streams.core.outcome import Supply
from streams.core.site import ReadingBatch
from streams.core.told import UNTOLD
from streams.layout import TIME_BYTES, Addresses, Layout, Part, Rows

Good = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Fitting:
    """A record of a known layout: its place in the batch, its offset, its bytes behind the gateway's name."""

    place: int
    offset: int
    layout: Layout
    tail: bytes


def read_alike(meters: MeterNumbers, records: Sequence[Fitting]) -> Columns:
    """Read records of one shape."""
    joined = _Joined(records)
    shape, count = joined.shape, len(records)
    numbers = [meters.meter_numbers(record.layout.gateway, record.layout.addresses) for record in records]
    meter = np.concatenate(numbers).reshape(count, -1)
    register, read_at = np.empty(meter.shape, np.int64), np.empty(meter.shape, np.int64)
    readable, line = np.empty(meter.shape, np.bool_), np.empty(meter.shape, np.uint32)
    rejected: list[RejectedFrame] = []
    unknown = {}
    for part, columns in zip(shape.registers, joined.columns, strict=True):
        block = joined.block(part, joined.addresses[:, columns].ravel())
        values, good = decode_registers(block, TEMPLATES[part.template])
        of_part = count, part.frames
        register[:, columns], readable[:, columns] = values.reshape(of_part), good.reshape(of_part)
        read_at[:, columns], line[:, columns] = block.read_at.reshape(of_part), np.arange(part.frames) + part.line
        rejected += joined.damaged(part, block, good)
        for frame in joined.frames(part, block, (meter[:, columns].ravel() < 0) & good):
            rejected.append(frame.reject("unknown", "no meter in use is at this address"))
            unknown[frame.offset, frame.line] = f"{frame.gateway}/{frame.address}"
    told, damaged = _told(joined)
    has_overdraft = [TEMPLATES[part.template].overdraft is not None for part in shape.registers]
    widths = [part.frames for part in shape.registers]
    batch = ReadingBatch(
        meter=meter.ravel(),
        register=register.ravel(),
        read_at=read_at.ravel(),
        at=np.repeat(joined.collected_at, shape.readings),
        supply=told[SUPPLY_ITEM],
        offset=np.repeat(np.array([record.offset for record in records], np.int64), shape.readings),
        line=line.ravel(),
        **columns_beside(told, np.tile(np.repeat(has_overdraft, widths), count)),
    )
    place = np.repeat(np.array([record.place for record in records], np.int64), shape.readings)
    good = readable.ravel()
    if not good.all():
        place, batch = place[good], select(batch, good)
    return Columns(place, batch, rejected + damaged, unknown)


def _told(joined: "_Joined") -> tuple[dict[str, NDArray[Any]], list[RejectedFrame]]:
    """By item what is told beside each reading, and the frames that are damaged."""
    shape = joined.shape
    readings = joined.addresses.size
    told: dict[str, NDArray[Any]] = {SUPPLY_ITEM: np.full(readings, Supply.UNKNOWN, np.uint8)}
    rejected: list[RejectedFrame] = []
    for nth, (part, is_whole) in enumerate(zip(shape.beside, shape.whole, strict=True)):
        block = joined.block(part, joined.addresses.ravel() if is_whole else joined.addresses_beside(nth))
        values, good = tells(part.item)(block, TEMPLATES[part.template])
        rejected += joined.damaged(part, block, good)
        if is_whole:
            # It is alone of its item, as no reading is told of one twice.
            told[part.item] = values
            continue
        untold = Supply.UNKNOWN if part.item == SUPPLY_ITEM else UNTOLD
        column = told.setdefault(part.item, np.full((readings, *values.shape[1:]), untold, values.dtype))
        column[joined.rows(nth)] = values
    return told, rejected


class _Joined:
    """Records of one shape, side by side.

    Attributes:
        addresses: [record][reading].
        columns: Of each part of registers its readings' places among the record's.
    """

    def __init__(self, records: Sequence[Fitting]) -> None:
        self._records = records
        self.shape = records[0].layout.shape
        tails = b"".join([record.tail for record in records])
        self._matrix = np.frombuffer(tails, np.uint8).reshape(len(records), self.shape.size)
        self.addresses: Addresses = np.array([record.layout.addresses for record in records])
        ends = np.cumsum([part.frames for part in self.shape.registers]).tolist()
        self.columns = [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]

    @property
    def collected_at(self) -> NDArray[np.int64]:
        return self._times(0, TIME_BYTES)

    def block(self, part: Part, addresses: Addresses) -> Block:
        """A part of all records as one block."""
        read_at = self._times(part.read_at, part.read_at + TIME_BYTES * part.frames)
        frames = self._matrix[:, part.begins : part.ends].tobytes()
        return Block(part.template, part.item, addresses, read_at, part.frame_length, None, frames)

    def addresses_beside(self, nth: int) -> Addresses:
        """Of the frames of a part beside registers."""
        return np.concatenate([record.layout.beside[nth] for record in self._records])

    def rows(self, nth: int) -> Rows:
        """Which of all readings the frames of a part beside registers tell of."""
        rows = np.array([record.layout.rows[nth] for record in self._records])
        return np.asarray(rows + np.arange(len(rows))[:, None] * self.shape.readings).ravel()

    def damaged(self, part: Part, block: Block, good: Good) -> list[RejectedFrame]:
        """Set the frames of a part aside that are not good."""
        return [frame.reject_damaged() for frame in self.frames(part, block, ~good)]

    def frames(self, part: Part, block: Block, rows: Good) -> list[Line]:
        """The frames of a part that are marked."""
        found = np.flatnonzero(rows).tolist()
        return [self._frame(part, block, row) for row in found]

    def _frame(self, part: Part, block: Block, row: int) -> Line:
        record, index = divmod(row, part.frames)
        start = row * part.frame_length
        return Line(
            offset=self._records[record].offset,
            line=part.line + index,
            gateway=self._records[record].layout.gateway,
            address=int(block.addresses[row]),
            template=part.template,
            item=part.item,
            data=block.data[start : start + part.frame_length],
        )

    def _times(self, begins: int, ends: int) -> NDArray[np.int64]:
        return np.frombuffer(self._matrix[:, begins:ends].tobytes(), "<i8")
