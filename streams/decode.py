"""Records of a site's rounds, read together: raw frames in, one `ReadingBatch` out.

A record that is no round, a frame that cannot be read and a reading whose meter nobody knows are set aside with their
bytes.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from collectors.wire.round import Round, RoundError, decode_round
from streams.alike import Fitting, read_alike
from streams.blocks import Parsed, read_parsed
from streams.columns import Columns, MeterNumbers, RejectedFrame, merge
from streams.core.site import ReadingBatch
from streams.layout import Layout, Shape

LAYOUTS_MAX: Final = 1 << 14
"""Layouts of a site's rounds: 7 to 16 kB each, of 16 to 256 meters."""
TURNS_MAX: Final = 16
"""Layouts of a gateway's rounds of one length: more than the rounds in which each of its meters has its turn once."""
_MAGIC_BYTES = 3
_SHORTEST = 5
_TIME_BYTES = 8
"""Behind its head, a round begins with `collected_at`."""


class InputRecord(Protocol):
    """What the ledger needs of a consumed Kafka record."""

    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def timestamp(self) -> int:
        """When the broker took it in, ms."""
        ...


IsAhead = Callable[[int, int], bool]
"""Whether a time that a record names (ms) cannot be true, given when the record arrived (ms)."""


@dataclass(frozen=True, slots=True)
class Readings:
    """What rounds hold.

    Attributes:
        batch: Readings in the order of the input: by offset, then by place in the record.
        rejected: What was set aside, in the same order; of unknown meters too (their readings stay in `batch`).
        unknown: Gateway and address of readings of unknown meters, by offset and line.
    """

    batch: ReadingBatch
    rejected: list[RejectedFrame]
    unknown: dict[tuple[int, int], str]


class RoundReader:
    """Reads one site's rounds; remembers the layouts of its gateways' rounds."""

    def __init__(self, site: str, meters: MeterNumbers, is_ahead: IsAhead) -> None:
        self._site = site
        self._meters = meters
        self._is_ahead = is_ahead
        self._layouts: dict[tuple[bytes, int], deque[Layout]] = {}
        """By a round's beginning and length; the one that is expected next comes first."""
        self._remembered = 0

    def read(self, records: Sequence[InputRecord]) -> Readings:
        """Decode records by rising offset."""
        alike: dict[Shape, list[Fitting]] = {}
        others: list[Parsed] = []
        rejected: list[RejectedFrame] = []
        for place, record in enumerate(records):
            value = record.value or b""
            head, tail = _split(value)
            layout = self._known(head, tail)
            if layout is not None:
                if self._is_ahead(int.from_bytes(tail[:_TIME_BYTES], "little", signed=True), record.timestamp):
                    rejected.append(_ahead(record))
                    continue
                alike.setdefault(layout.shape, []).append(Fitting(place, record.offset, layout, tail))
                continue
            try:
                taken = decode_round(value)
            except RoundError as error:
                rejected.append(RejectedFrame(record.offset, 0, "malformed", str(error), value))
                continue
            if taken.site != self._site:
                detail = f"is of site {taken.site!r}, its key is {self._site!r}"
                rejected.append(RejectedFrame(record.offset, 0, "malformed", detail, value))
                continue
            if self._is_ahead(taken.collected_at, record.timestamp):
                rejected.append(_ahead(record))
                continue
            others.append(Parsed(place, record.offset, taken))
            self._note(head, tail, Layout.of(tail, taken))
        parts = [read_alike(self._meters, fitting) for fitting in alike.values()]
        if others or not parts:
            parts.append(read_parsed(self._meters, others))
        found = merge(parts)
        return _ordered(found, rejected)

    def _known(self, head: bytes, tail: bytes) -> Layout | None:
        """The layout of a round, if it is known."""
        layouts = self._layouts.get((head, len(tail)))
        if layouts is None:
            return None
        for place, layout in enumerate(layouts):
            if layout.fits(tail):
                # Turns come in the same order each time.
                layouts.rotate(-place - 1)
                return layout
        return None

    def _note(self, head: bytes, tail: bytes, layout: Layout | None) -> None:
        """Remember a layout. A site whose gateways answer differently each time must not fill the memory."""
        if layout is None:
            return
        if self._remembered >= LAYOUTS_MAX:
            self._layouts.clear()
            self._remembered = 0
        layouts = self._layouts.setdefault((head, len(tail)), deque())
        if len(layouts) == TURNS_MAX:
            layouts.popleft()
        else:
            self._remembered += 1
        layouts.append(layout)


def read_rounds(meters: MeterNumbers, rounds: Sequence[tuple[int, Round]]) -> Readings:
    """Read rounds of one site that are parsed already.

    Args:
        meters: The site's meters.
        rounds: Input offset and round, by rising offset.
    """
    parsed = [Parsed(place, offset, taken) for place, (offset, taken) in enumerate(rounds)]
    return _ordered(read_parsed(meters, parsed), [])


def _ahead(record: InputRecord) -> RejectedFrame:
    detail = f"collected_at is ahead of the record's arrival, {record.timestamp} ms"
    return RejectedFrame(record.offset, 0, "future", detail, record.value or b"")


def _split(value: bytes) -> tuple[bytes, bytes]:
    """A round's magic, version, site and gateway; and the rest. All of it is rest where it is too short for a round."""
    if len(value) < _SHORTEST:
        return b"", value
    gateway = _MAGIC_BYTES + 1 + value[_MAGIC_BYTES]
    if len(value) <= gateway:
        return b"", value
    end = gateway + 1 + value[gateway]
    return value[:end], value[end:]


def _ordered(found: Columns, malformed: Sequence[RejectedFrame]) -> Readings:
    rejected = sorted([*malformed, *found.rejected], key=lambda frame: (frame.offset, frame.line))
    return Readings(found.batch, rejected, found.unknown)
