"""Blocks: which postings were written to the database together, and how an interrupted one is finished.

The order of writing is the guarantee:

1. `claim`: the block's spans are recorded under its number. From here on the block has exactly these
   postings, whoever writes it. Only one process can claim a number.
2. `insert`, table by table and month by month. Each is one part in the database, so it is there as a whole or
   not at all, and carries a token derived from the block, so the database drops it if it was done before.
3. `finish`: the positions move. Only then may the next number be claimed, so at most one block is unfinished.

After a start or an error the store tells the unfinished block, if any. Its postings are read again, give the
same rows again, and what is there already is counted before each insert. The token covers the one thing that
counting cannot see: an insert of the attempt before, which the database is still carrying out.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog

from infra.clickhouse.retention import EVENTS
from sinks.clickhouse.journal import LedgerBatch
from sinks.clickhouse.tables import TableRows
from sinks.errors import AnotherSinkError, AwayError, SinkError

log = structlog.get_logger(__name__)

LEASE_S: Final = 120.0
"""How long after a block was claimed or looked at its inserts may begin. A sink that slept longer looks
again: another may have finished the block so long ago that the database no longer remembers its tokens."""

ATTEMPTS: Final = 8
"""How often one insert is made in a recovery before the database is taken to remove rows by itself."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """What one partition holds from offset `first` up to but not including `next`: postings, the markers of
    transactions, and what those aborted."""

    partition: int
    first: int
    next: int

    def __post_init__(self) -> None:
        if not 0 <= self.first < self.next:
            raise ValueError(f"span {self.first} to {self.next} of partition {self.partition} is empty")


@dataclass(frozen=True, slots=True)
class Block:
    """The postings that are written together; `number` rises by one a block."""

    number: int
    spans: tuple[Span, ...]
    """At most one a partition, by partition."""

    def __post_init__(self) -> None:
        partitions = [span.partition for span in self.spans]
        if partitions != sorted(set(partitions)):
            raise ValueError(f"spans of partitions {partitions}, not each one once and in order")


@dataclass(frozen=True, slots=True)
class Claim:
    """A record that a process of the sink is about to write a block."""

    block: Block
    claimed_by: str


@dataclass(frozen=True, slots=True)
class Progress:
    """What the database says of a sink."""

    finished: int
    """The last finished block's number, 0 before the first."""
    positions: Mapping[int, int]
    """Partition -> offset of the next posting to be written."""
    unfinished: Block | None
    batches: Mapping[int, LedgerBatch] = field(default_factory=dict)
    """Partition -> the ledger's batch that is the last one before the position."""
    rows_to: Mapping[int, int] = field(default_factory=dict)
    """Partition -> offset up to which there may be rows though the positions lie before them: somebody cleared or put
    back the sink's records, and the topic is read again."""

    def may_have_rows(self, spans: Sequence[Span]) -> bool:
        """Tell whether a block of these spans may be there already, whole or in part."""
        return any(span.first < self.rows_to.get(span.partition, 0) for span in spans)


class Store(Protocol):
    """The database as blocks need it.

    Every method raises `AwayError` when it failed or its outcome is unknown; what was asked may then have been
    done, not been done, or be done later.
    """

    def claims(self, *, after: int) -> Sequence[Claim]:
        """Claims of the blocks with numbers above `after`, by number, those of one number by time."""

    def add_claim(self, claim: Claim, *, token: str) -> None:
        """Record a claim; nothing if one with the same token was recorded before."""

    def finished(self) -> tuple[int, Mapping[int, int]]:
        """The last finished block's number, 0 before the first, and the positions."""

    def batches(self, positions: Mapping[int, int]) -> Mapping[int, LedgerBatch]:
        """Partition -> the batch of the last posting that is there before the partition's position."""

    def rows_to(self, positions: Mapping[int, int], *, in_order: bool) -> Mapping[int, int]:
        """Partition -> offset behind the last posting of which there are rows, of the partitions whose position lies
        before it.

        Args:
            in_order: The sink's records tell what was claimed last, so that rows beyond the positions are an unfinished
                block's, unless the journal, which is written last, is beyond them too.
        """

    def finish(self, block: Block, *, token: str) -> None:
        """Move the positions forward to the ends of the block's spans, and its number to finished."""

    def count(self, block: Block, rows: TableRows) -> int:
        """How many rows of the block are in the table and month of `rows`."""

    def insert(self, rows: TableRows, *, token: str) -> None:
        """Add all rows or none; none if an insert with the same token was done before."""

    def remove(self, block: Block, rows: TableRows) -> None:
        """Delete the block's rows in the table and month of `rows`, and wait until they are gone."""


class Blocks:
    """One process's writing of one sink's blocks.

    Args:
        sink: The sink's name, part of all tokens.
        claimed_by: A name that no other process of the sink has or ever had.
        clock: Seconds that never go back.
    """

    def __init__(self, store: Store, *, sink: str, claimed_by: str, clock: Callable[[], float]) -> None:
        self._store = store
        self._sink = sink
        self._claimed_by = claimed_by
        self._clock = clock
        self._looked_at = clock()

    def load(self) -> Progress:
        """Where the sink stands.

        Raises:
            AwayError: It is not known.
            SinkError: The records contradict each other.
        """
        # Claims first: read the other way round, a block that another process finishes and follows up in
        # between would look like one whose predecessor nobody finished.
        claims = self._store.claims(after=0)
        finished, positions = self._store.finished()
        ahead = [claim.block for claim in claims if claim.block.number > finished]
        if any(block.number != finished + 1 for block in ahead):
            raise SinkError(f"blocks after {finished + 1} are claimed, but only {finished} are finished")
        self._looked_at = self._clock()
        in_order = any(claim.block.number >= finished for claim in claims)
        rows_to = self._store.rows_to(positions, in_order=in_order)
        batches = self._store.batches(positions)
        return Progress(finished, positions, ahead[0] if ahead else None, batches, rows_to)

    def claim(self, block: Block) -> None:
        """Make the block's number mean its spans.

        Raises:
            AwayError: It may or may not be claimed now.
            AnotherSinkError: Another process claimed the number first.
        """
        self._looked_at = self._clock()
        mine = Claim(block, self._claimed_by)
        # The token is the number's alone: whoever comes second is dropped without a word, so look who was first.
        self._store.add_claim(mine, token=f"{self._sink}/{block.number}/claim")
        claims = self._store.claims(after=block.number - 1)
        if not claims:
            raise SinkError(f"block {block.number} cannot be claimed: its token is spent, its record is gone")
        for other in claims:
            if other.claimed_by != self._claimed_by:
                raise AnotherSinkError(
                    f"block {other.block.number} was claimed by {other.claimed_by}, which runs as well"
                )
        if claims[0] != mine:
            raise AwayError(f"block {block.number} was claimed with other spans by an attempt that came late")

    def write(self, block: Block, tables: Sequence[TableRows], *, begun_before: bool) -> int:
        """Insert a claimed block's rows and finish it.

        Args:
            tables: All rows of the block, each table and month once; registry tables first, so that whoever
                sees a reading finds its meter.
            begun_before: The block may have been written in part: look before each insert.
        Returns:
            The number of the block's rows.
        Raises:
            AwayError: The block is unfinished, or it is not known whether it is.
            SinkError: The database loses rows that it acknowledged.
        """
        for rows in tables:
            if begun_before:
                self._insert_missing(block, rows)
            else:
                self._insert(block, rows, attempt=0)
        self._store.finish(block, token=f"{self._sink}/{block.number}/finish")
        return sum(rows.count for rows in tables)

    def _insert_missing(self, block: Block, rows: TableRows) -> None:
        """Bring one table and month to the block's rows, whatever an earlier attempt left.

        No insert leaves a part of itself; if only a part is there, a retention rule or a person took rows away.
        These rows' token is spent, and the database drops whatever comes with it; so the tokens of all attempts
        are gone through in order, always the same ones, until the rows are there. An insert of an interrupted
        recovery that is still being carried out has one of these tokens too, so it cannot come on top.
        """
        for attempt in range(ATTEMPTS):
            present = self._store.count(block, rows)
            self._looked_at = self._clock()
            if present == rows.count:
                return
            if present:
                log.warning("part of an insert found", table=rows.table, present=present, expected=rows.count)
                self._store.remove(block, rows)
            self._insert(block, rows, attempt=attempt)
        if rows.table in EVENTS:
            # The rule takes what is too old as it comes, which says nothing of the rows that count money.
            log.warning("events are older than they are kept", table=rows.table, expected=rows.count)
            return
        raise SinkError(
            f"block {block.number}: {rows.table} of {rows.month} has not the block's {rows.count} rows after "
            f"{ATTEMPTS} acknowledged inserts"
        )

    def _insert(self, block: Block, rows: TableRows, *, attempt: int) -> None:
        if self._clock() - self._looked_at > LEASE_S:
            raise AwayError(f"block {block.number} was last looked at over {LEASE_S:.0f} s ago")
        self._store.insert(rows, token=insert_token(self._sink, block, rows, attempt))


def insert_token(sink: str, block: Block, rows: TableRows, attempt: int = 0) -> str:
    """The name under which the database remembers an insert.

    It names the spans too, so that a number that is used again after the sink's records were cleared by hand is
    not taken for the block that had it before.

    >>> insert_token("clickhouse", Block(7, (Span(0, 10, 20),)), TableRows("readings", 202601, {}, 0))
    'clickhouse/7/d97f6b964f9e4177/readings/202601/0'
    """
    spans = ",".join(f"{span.partition}:{span.first}-{span.next}" for span in block.spans)
    digest = hashlib.blake2b(spans.encode(), digest_size=8).hexdigest()
    return f"{sink}/{block.number}/{digest}/{rows.table}/{rows.month}/{attempt}"
