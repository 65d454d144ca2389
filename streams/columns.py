"""Readings of some records as columns, and the frames that are set aside."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from collectors.wire.answers import read_bands, read_conditions, read_register, read_supply
from collectors.wire.errors import FrameError
from collectors.wire.template import REGISTERS
from collectors.wire.templates import TEMPLATES, Template
from streams.core.site import ReadingBatch

REGISTER_ITEM = "energy"
SUPPLY_ITEM = "relay"
BANDS_ITEM = "bands"
STATUS_ITEM = "status"
READ_ONE: Final[Mapping[str, Callable[[bytes, Template, int], object]]] = {
    **{name: partial(read_register, name=name) for name in REGISTERS},
    BANDS_ITEM: read_bands,
    STATUS_ITEM: read_conditions,
    SUPPLY_ITEM: read_supply,
}
"""By item, the codec that reads one frame at a time and says what is wrong with it."""


class MeterNumbers(Protocol):
    """Where a site's meters are found by their line."""

    def meter_numbers(self, gateway: str, addresses: NDArray[np.uint64]) -> NDArray[np.int32]:
        """The running numbers of the meters at addresses behind a gateway, -1 where there is none in use."""
        ...


@dataclass(frozen=True, slots=True)
class RejectedFrame:
    """Bytes that gave no reading the ledger can use; `line` counts the record's frames from 0."""

    offset: int
    line: int
    reason: str
    detail: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Columns:
    """Readings of some of a batch's records.

    Attributes:
        record: For each reading, the place of its record in the batch.
        batch: The readings that could be read, by rising record and line.
        rejected: Frames that were set aside, those of unknown meters too (their readings stay in `batch`).
        unknown: Gateway and address of readings of unknown meters, by offset and line.
    """

    record: NDArray[np.int64]
    batch: ReadingBatch
    rejected: list[RejectedFrame]
    unknown: dict[tuple[int, int], str]


@dataclass(frozen=True, slots=True)
class Line:
    """One frame, named: where it came from and its bytes."""

    offset: int
    line: int
    gateway: str
    address: int
    template: str
    item: str
    data: bytes

    def reject(self, reason: str, detail: str) -> RejectedFrame:
        place = f"{self.gateway}/{self.address} {self.template} {self.item}"
        return RejectedFrame(self.offset, self.line, reason, f"{place}: {detail}", self.data)

    def reject_damaged(self) -> RejectedFrame:
        """Set aside with what is wrong with it."""
        try:
            READ_ONE[self.item](self.data, TEMPLATES[self.template], self.address)
            detail = "is not an answer to what was asked"
        except FrameError as error:
            detail = str(error)
        return self.reject("damaged", detail)


def merge(parts: Sequence[Columns]) -> Columns:
    """All parts as one, in the order of the records."""
    if len(parts) == 1:
        return parts[0]
    record = np.concatenate([part.record for part in parts])
    order = np.argsort(record, kind="stable")
    return Columns(
        record=record[order],
        batch=ReadingBatch.joined([part.batch for part in parts])[order],
        rejected=[frame for part in parts for frame in part.rejected],
        unknown={place: meter for part in parts for place, meter in part.unknown.items()},
    )


def select(batch: ReadingBatch, rows: NDArray[np.bool_]) -> ReadingBatch:
    """The rows that are marked."""
    return batch[rows]


def ranges(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The whole numbers of `[start, start + count)` for each pair, one after the other."""
    ends = np.cumsum(counts)
    found: NDArray[np.int64] = np.repeat(starts - (ends - counts), counts)
    return found + np.arange(len(found))
