"""The value of a `ledger.postings` record: what one batch of a partition did to one site.

Layout, little-endian, nothing padded:

    magic    b"SP"
    version  u8 = 1
    length   u32, bytes of the header
    header   MessagePack map: the fields of `Header`, the values of `streams.core.outcome` as maps
    readings `READING` rows, as many as the header says
    pieces   `PIECE` rows, as many as the header says

The header's `inputs` is the ledger's journal: the ranges of the partition's two inputs that the batch took,
orders before frames. `sequence` numbers the partition's batches without a gap, so a reader can tell that it
missed none. A site's outcome that is large is cut in parts: `part` counts from 0 to `parts` - 1, lists go on
from one part to the next, registry first, and a piece's `reading` is the row within its own part. A batch of records
that no site could read has one record without a site ("").
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.core.outcome import (
    PIECE,
    READING,
    AccountClosed,
    AccountOpened,
    Alarm,
    Command,
    Entry,
    MeterInstalled,
    Notice,
    Outcome,
    Refusal,
    VersionTaken,
)

MAGIC: Final = b"SP"
VERSION: Final = 1
PART_READINGS: Final = 32_768
"""The most readings in one record."""
PART_BYTES: Final = 4 << 20
"""Readings and pieces of one record stay below this, whatever the number of pieces a reading has."""
LIST_BYTES: Final = 1 << 20
"""Items of one list (entries, commands, registry rows, ...) in one record stay below this, or are one item."""
FEW_ITEMS: Final = 32
"""So many items of a list are never cut: their texts have their limits. Versions of tariffs are long without texts."""

_HEAD = struct.Struct("<2sBI")


class PostingsError(ValueError):
    """Bytes that are no postings; `offset` is the first byte that does not fit."""

    def __init__(self, offset: int, detail: str) -> None:
        super().__init__(f"byte {offset}: {detail}")
        self.offset = offset
        self.detail = detail


class Span(msgspec.Struct, frozen=True, array_like=True):
    """Offsets of one input that a batch took: from `first` up to but not including `next`."""

    first: int
    next: int


class Inputs(msgspec.Struct, frozen=True):
    """The journal of a batch: what it took of each input of its partition."""

    frames: Span
    orders: Span


@dataclass(frozen=True, slots=True)
class Postings:
    """One record: part `part` of `parts` of what batch `sequence` of `partition` did to `site`."""

    site: str
    partition: int
    sequence: int
    inputs: Inputs
    outcome: Outcome
    part: int = 0
    parts: int = 1


class Header(msgspec.Struct, frozen=True, omit_defaults=True):
    """The MessagePack part of a record. Readers ignore names that they do not know.

    Lists with a default came later than the format: records from before lack them, and where they are empty they are
    left out.
    """

    site: str
    partition: int
    sequence: int
    part: int
    parts: int
    inputs: Inputs
    readings: int
    pieces: int
    entries: tuple[Entry, ...]
    commands: tuple[Command, ...]
    notices: tuple[Notice, ...]
    alarms: tuple[Alarm, ...]
    refusals: tuple[Refusal, ...]
    accounts: tuple[AccountOpened, ...]
    meters: tuple[MeterInstalled, ...]
    versions: tuple[VersionTaken, ...]
    closings: tuple[AccountClosed, ...] = ()


_encode_header = _encode_item = msgspec.msgpack.Encoder().encode
_decode_header = msgspec.msgpack.Decoder(Header).decode

_REGISTRY: Final = ("accounts", "meters", "versions")
_EVENTS: Final = ("entries", "commands", "notices", "alarms", "refusals", "closings")
_LISTS: Final = _EVENTS + _REGISTRY


def encode_postings(postings: Postings) -> bytes:
    """Write one record's value."""
    outcome = postings.outcome
    header = _encode_header(
        Header(
            site=postings.site,
            partition=postings.partition,
            sequence=postings.sequence,
            part=postings.part,
            parts=postings.parts,
            inputs=postings.inputs,
            readings=len(outcome.readings),
            pieces=len(outcome.pieces),
            **{name: getattr(outcome, name) for name in _LISTS},
        )
    )
    # One copy of the rows: join reads the arrays' own memory.
    return b"".join(
        (
            _HEAD.pack(MAGIC, VERSION, len(header)),
            header,
            _rows(outcome.readings, READING),
            _rows(outcome.pieces, PIECE),
        )
    )


def decode_postings(value: bytes) -> Postings:
    """Read one record's value; the arrays are read-only views of it.

    Raises:
        PostingsError: Not the magic or version, a header that is cut or malformed, rows that are not as many as the
            header says, or a piece of a reading that is not in the record.
    """
    if len(value) < _HEAD.size:
        raise PostingsError(len(value), f"cut in the first {_HEAD.size} bytes")
    magic, version, length = _HEAD.unpack_from(value)
    if magic != MAGIC:
        raise PostingsError(0, f"magic {magic!r}, not {MAGIC!r}")
    if version != VERSION:
        raise PostingsError(2, f"version {version}, not {VERSION}")
    readings_at = _HEAD.size + length
    if readings_at > len(value):
        raise PostingsError(len(value), f"cut in the header of {length} bytes")
    try:
        header = _decode_header(memoryview(value)[_HEAD.size : readings_at])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise PostingsError(_HEAD.size, f"header: {error}") from error
    if header.readings < 0 or header.pieces < 0:
        raise PostingsError(_HEAD.size, "header: negative number of rows")
    pieces_at = readings_at + header.readings * READING.itemsize
    end = pieces_at + header.pieces * PIECE.itemsize
    if end != len(value):
        raise PostingsError(min(end, len(value)), f"{len(value)} bytes where the header's rows make {end}")
    pieces = np.frombuffer(value, PIECE, header.pieces, pieces_at)
    strays = np.flatnonzero(pieces["reading"] >= header.readings)
    if len(strays):
        # Whoever reads several records together would take it for a part of the next one's reading.
        stray = int(strays[0])
        raise PostingsError(pieces_at + stray * PIECE.itemsize, f"a piece of reading {pieces['reading'][stray]}")
    return Postings(
        site=header.site,
        partition=header.partition,
        sequence=header.sequence,
        part=header.part,
        parts=header.parts,
        inputs=header.inputs,
        outcome=Outcome(
            readings=np.frombuffer(value, READING, header.readings, readings_at),
            pieces=pieces,
            **{name: getattr(header, name) for name in _LISTS},
        ),
    )


def cut_postings(postings: Postings) -> Iterator[Postings]:
    """Cut an outcome in as many parts as the limits of this module ask; most come back as they are.

    Every list goes on from part to part in its order. Registry rows come no later than the first row that
    needs them, those of the registry included: where they fill several parts, these go first.
    """
    outcome = postings.outcome
    cuts = {
        name: _cut_list(getattr(outcome, name), few=0 if name == "versions" else FEW_ITEMS)
        for name in (*_REGISTRY, *_EVENTS)
    }
    rows = _row_ranges(outcome)
    if max(map(len, (rows, *cuts.values()))) == 1:
        yield postings
        return
    # A meter names its account: the last part of the accounts has the first of the meters. The last part of all of the
    # registry has the first of everything else.
    begins = {"accounts": 0, "meters": len(cuts["accounts"]) - 1, "versions": 0}
    lead = max(begins[name] + len(cuts[name]) - 1 for name in _REGISTRY)
    begins |= dict.fromkeys(_EVENTS, lead)
    parts = max(lead + len(rows), *(begins[name] + len(cuts[name]) for name in cuts))
    for part in range(parts):
        lists: dict[str, Any] = {name: _at(cuts[name], part - begins[name]) for name in cuts}
        cut = Outcome(**lists)
        if 0 <= part - lead < len(rows):
            readings, pieces = _rows_between(outcome, *rows[part - lead])
            cut = replace(cut, readings=readings, pieces=pieces)
        yield replace(postings, outcome=cut, part=part, parts=parts)


def _rows(array: NDArray[np.void], dtype: np.dtype[np.void]) -> memoryview:
    """The rows' bytes in order; copies only what is not contiguous already."""
    assert array.dtype == dtype, f"rows of {array.dtype}, not {dtype}"
    return np.ascontiguousarray(array).view(np.uint8).data


def _cut_list(items: tuple[Any, ...], *, few: int) -> list[tuple[Any, ...]]:
    """A list of more than `few` items cut where it reaches `LIST_BYTES`; at least one, which may be empty."""
    if len(items) <= few:
        return [items]
    ends = np.cumsum([len(_encode_item(item)) for item in items])
    # A boundary behind each item with which the list comes into a further stretch of the size.
    stretches = ends // LIST_BYTES
    starts = [0, *(np.flatnonzero(np.diff(stretches)) + 1).tolist(), len(items)]
    return [items[start:end] for start, end in pairwise(starts)]


def _at(cuts: list[tuple[Any, ...]], part: int) -> tuple[Any, ...]:
    return cuts[part] if 0 <= part < len(cuts) else ()


def _row_ranges(outcome: Outcome) -> list[tuple[int, int]]:
    """Ranges of readings that with their pieces stay within the limits; at least one range."""
    count = len(outcome.readings)
    size = count * READING.itemsize + len(outcome.pieces) * PIECE.itemsize
    if count <= PART_READINGS and size <= PART_BYTES:
        return [(0, count)]
    pieces = np.bincount(outcome.pieces["reading"], minlength=count)
    ends = np.cumsum(READING.itemsize + PIECE.itemsize * pieces)
    ranges = []
    start = 0
    while start < count:
        before = int(ends[start - 1]) if start else 0
        fits = int(np.searchsorted(ends, before + PART_BYTES, side="right"))
        end = min(max(fits, start + 1), start + PART_READINGS, count)
        ranges.append((start, end))
        start = end
    return ranges


def _rows_between(outcome: Outcome, start: int, end: int) -> tuple[NDArray[np.void], NDArray[np.void]]:
    """Readings `start` to `end` and their pieces, which then name rows of this part."""
    owner = outcome.pieces["reading"]
    pieces = outcome.pieces[(owner >= start) & (owner < end)]
    pieces["reading"] -= start
    return outcome.readings[start:end], pieces
