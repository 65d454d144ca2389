"""`meter.frames` -> `frames_raw`: the bytes of every answer, kept for a while.

Each frame at least once; one that comes again replaces itself, since its place in the topic is part of its key. Nothing
that counts money reads these rows, so a copy that fell behind Kafka's own retention goes on with what is left.
"""

from collections.abc import Sequence
from typing import Any, Final

import structlog
from clickhouse_driver import Client

from collectors.wire.round import RoundError, decode_round
from sinks.clickhouse.positions import positions
from sinks.clickhouse.sink import Record, Source
from sinks.clickhouse.writer import away
from sinks.errors import GapError

log = structlog.get_logger(__name__)

FRAMES: Final = "frames"
"""The name under which the copy records its positions."""

COLUMNS: Final = (
    "site",
    "gateway",
    "address",
    "template",
    "item",
    "read_at",
    "collected_at",
    "frame",
    "partition",
    "offset",
    "line",
)
_INSERT: Final = f"INSERT INTO frames_raw ({', '.join(f'`{name}`' for name in COLUMNS)}) VALUES"
_POSITIONS: Final = "INSERT INTO sink_positions (sink, partition, next_offset, number) VALUES"


def frame_columns(records: Sequence[Record]) -> tuple[list[list[Any]], int]:
    """Columns `COLUMNS` of the frames in some records, and how many records are no rounds.

    Texts are bytes, times ms since 1970. What is no round is the ledger's to reject, and is left out.
    """
    columns: list[list[Any]] = [[] for _ in COLUMNS]
    malformed = 0
    for record in records:
        try:
            taken = decode_round(record.value)
        except RoundError:
            malformed += 1
            continue
        line = 0
        for block in taken.blocks:
            count = len(block)
            values: tuple[list[Any], ...] = (
                [taken.site.encode()] * count,
                [taken.gateway.encode()] * count,
                block.addresses.tolist(),
                [block.template.encode()] * count,
                [block.item.encode()] * count,
                block.read_at.tolist(),
                [taken.collected_at] * count,
                block.frames(),
                [record.partition] * count,
                [record.offset] * count,
                list(range(line, line + count)),
            )
            for column, more in zip(columns, values, strict=True):
                column += more
            line += count
    return columns, malformed


class FramesCopy:
    """Copies rounds from where the last copy ended. `recover` comes first, again after each `AwayError`.

    Args:
        url: `clickhouse://user:password@host:port/database`.
    """

    def __init__(self, url: str, source: Source) -> None:
        # Frames are bytes, so all texts are.
        self._client: Any = Client.from_url(url)
        self._client.settings["strings_as_bytes"] = True
        self._source = source

    def close(self) -> None:
        """Leave the server."""
        self._client.disconnect()

    def recover(self) -> None:
        """Take up where the database says that the copy stands; where Kafka has that no more, at what it has.

        Raises:
            AwayError: To be tried again, later.
        """
        with away():
            taken = positions(self._client, FRAMES)
        try:
            self._source.seek(taken)
        except GapError as error:
            log.warning("raw frames are gone, uncopied", reason=str(error))
            self._source.seek({})

    def step(self) -> int:
        """Copy what came, if anything did; the number of frames.

        Raises:
            AwayError: It may or may not be copied.
        """
        gathered = self._source.gather()
        if not gathered.spans:
            return 0
        columns, malformed = frame_columns(gathered.records)
        if malformed:
            log.info("records that are no rounds are left out", records=malformed)
        ends = [(FRAMES.encode(), span.partition, span.next, 0) for span in gathered.spans]
        with away():
            if columns[0]:
                self._client.execute(_INSERT, columns, columnar=True)
            # Rows first: what is copied twice replaces itself, what is passed over is lost.
            self._client.execute(_POSITIONS, ends)
        return len(columns[0])
