"""The sink's loop without its edges: gather postings, claim a block, write it; after an error, look and finish."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from sinks.clickhouse.blocks import Block, Blocks, Progress, Span
from sinks.clickhouse.columns import table_rows
from sinks.clickhouse.journal import Journal
from sinks.clickhouse.registry import Registry
from sinks.clickhouse.tables import Posted, TableRows, cut_by_shard
from sinks.errors import SinkError
from streams.postings import PostingsError, decode_postings

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Record:
    """A record of `ledger.postings`."""

    partition: int
    offset: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Gathered:
    """The next spans and all committed postings in them, those of a partition in order."""

    spans: tuple[Span, ...]
    records: Sequence[Record]


class Source(Protocol):
    """Committed postings by partition and offset. Every method raises `AwayError` if Kafka cannot be reached."""

    def seek(self, positions: Mapping[int, int]) -> None:
        """Go on from these offsets, and from the beginning of the partitions that are not named.

        Raises:
            GapError: Postings at a position are gone, or the topic ends before it.
        """

    def gather(self) -> Gathered:
        """Wait a while for postings; what came, bounded in size, each span beginning where the last one ended."""

    def read(self, spans: Sequence[Span]) -> list[Record]:
        """All postings of some spans. `seek` has to follow before the next `gather`.

        Raises:
            GapError: They are not all there.
        """


@dataclass(frozen=True, slots=True)
class Prepared:
    """The next spans and their rows."""

    spans: tuple[Span, ...]
    tables: Sequence[TableRows]


class Sink:
    """Writes postings block by block. `recover` comes first; after an error, a new sink begins with it again.

    Args:
        load_registry: Gives everything that finished blocks introduced, as it is when called.
        shard_of: Tells the shard of a site, where the database is a cluster.
        ahead: Gathers the next block's postings and makes its rows while the last one's are written; without it
            one comes after the other. To be shut down before the source is closed.
    """

    def __init__(
        self,
        *,
        blocks: Blocks,
        source: Source,
        load_registry: Callable[[], Registry],
        shard_of: Callable[[str], int] | None = None,
        ahead: Executor | None = None,
    ) -> None:
        self._blocks = blocks
        self._source = source
        self._load_registry = load_registry
        self._shard_of = shard_of
        self._ahead = ahead
        self._next: Future[Prepared] | None = None
        self._registry = Registry()
        self._journal = Journal({})
        self._progress = Progress(finished=0, positions={}, unfinished=None)

    def recover(self) -> None:
        """Take up where the database says that the sink stands; finish the block that is unfinished there.

        Raises:
            AwayError: To be tried again, later.
            SinkError: Something is wrong that waiting does not mend.
        """
        self._progress = self._blocks.load()
        self._registry = self._load_registry()
        self._journal = Journal(self._progress.batches)
        block = self._progress.unfinished
        if block is not None:
            log.info("finishing a block", block=block.number, partitions=len(block.spans))
            tables = self._rows(self._source.read(block.spans))
            self._write(block, tables, begun_before=True)
        self._source.seek(self._progress.positions)

    def step(self) -> int:
        """Write the next block, if there is one; the number of its rows.

        Raises:
            AwayError: As of `recover`.
            SinkError: As of `recover`; `AnotherSinkError` among them.
        """
        prepared = self._prepare() if self._next is None else self._next.result()
        if self._ahead is not None:
            self._next = self._ahead.submit(self._prepare)
        if not prepared.spans:
            return 0
        block = Block(self._progress.finished + 1, prepared.spans)
        self._blocks.claim(block)
        return self._write(block, prepared.tables, begun_before=self._progress.may_have_rows(block.spans))

    def _prepare(self) -> Prepared:
        gathered = self._source.gather()
        return Prepared(gathered.spans, self._rows(gathered.records))

    def _rows(self, records: Sequence[Record]) -> list[TableRows]:
        read = [posted(record) for record in records]
        self._journal.follow(read)
        rows = table_rows(read, self._registry) if read else []
        return cut_by_shard(rows, self._shard_of) if self._shard_of else rows

    def _write(self, block: Block, tables: Sequence[TableRows], *, begun_before: bool) -> int:
        rows = self._blocks.write(block, tables, begun_before=begun_before)
        ends = {span.partition: span.next for span in block.spans}
        positions = {**self._progress.positions, **ends}
        self._progress = replace(self._progress, finished=block.number, positions=positions, unfinished=None)
        log.debug("block written", block=block.number, rows=rows)
        return rows


def posted(record: Record) -> Posted:
    """A record with its value decoded.

    Raises:
        SinkError: It cannot be.
    """
    try:
        return Posted(record.partition, record.offset, decode_postings(record.value))
    except PostingsError as error:
        # The ledger's own record: to skip it would lose money, so the sink stops and a person looks.
        raise SinkError(f"partition {record.partition}, offset {record.offset}: {error}") from error
