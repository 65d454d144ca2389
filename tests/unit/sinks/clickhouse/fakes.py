"""A database and a topic in memory that fail as the real ones do."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from sinks.clickhouse.blocks import Block, Claim, Span
from sinks.clickhouse.journal import LedgerBatch
from sinks.clickhouse.sink import Gathered, Record
from sinks.clickhouse.tables import TableRows
from sinks.errors import AwayError


class Fault(Enum):
    """What can befall one request of the sink to the database."""

    NONE = auto()
    REFUSED = auto()
    """The request does not arrive."""
    UNANSWERED = auto()
    """It is done, the answer is lost."""
    SLOW = auto()
    """The connection breaks; the server goes on and does it later, unless it is killed first."""
    SERVER_KILLED = auto()
    """kill -9 of the server: what it still does is lost, and this is not done."""
    SERVER_KILLED_LATE = auto()
    """kill -9 of the server after the rows are there and before their token is."""
    KILLED = auto()
    """kill -9 of the sink before the request."""
    KILLED_AFTER = auto()
    """kill -9 of the sink after the request is done."""
    KILLED_WAITING = auto()
    """kill -9 of the sink while the server does the request later."""
    STOPPED = auto()
    """SIGSTOP of the sink before the request; another one is started and runs, then this one wakes."""


class KilledError(BaseException):
    """kill -9: nothing in the sink may catch it."""


Row = tuple[int, ...]


@dataclass
class FakeDatabase:
    """Tables whose inserts are whole or not there, with a log of tokens."""

    tables: dict[str, list[tuple[int, Row]]] = field(default_factory=dict)
    """Table -> (month, row)."""
    claims: list[Claim] = field(default_factory=list)
    finished: int = 0
    positions: dict[int, int] = field(default_factory=dict)
    tokens: set[tuple[str, str]] = field(default_factory=set)
    batches: dict[int, LedgerBatch] = field(default_factory=dict)
    """Partition -> the last batch of its journal, as told to whoever asks."""
    running: list[Callable[[], None]] = field(default_factory=list)
    starts: int = 1
    """How often the server was started; a connection does not outlive it."""

    def forget_sink(self) -> None:
        """Somebody clears the sink's own records; the rows stay."""
        self.claims.clear()
        self.positions.clear()
        self.finished = 0
        self.tokens = {(table, token) for table, token in self.tokens if not table.startswith("sink_")}

    def kill(self) -> None:
        """kill -9 of the server, which is started again."""
        self.running.clear()
        self.starts += 1

    def once(self, table: str, token: str, effect: Callable[[], None], *, remembered: bool = True) -> None:
        """Do something unless its token is known."""
        if (table, token) in self.tokens:
            return
        effect()
        if remembered:
            self.tokens.add((table, token))

    def go_on(self) -> None:
        """Let the server do what it still has to do."""
        running, self.running = self.running, []
        for effect in running:
            effect()


class FakeStore:
    """One process's connection to the database; `faults` gives what befalls each request."""

    def __init__(self, database: FakeDatabase, faults: Callable[[], Fault], others: Callable[[], None]) -> None:
        self._database = database
        self._faults = faults
        self._others = others
        self._start = database.starts

    def claims(self, *, after: int) -> list[Claim]:
        self._ask()
        later = [claim for claim in self._database.claims if claim.block.number > after]
        return sorted(later, key=lambda claim: claim.block.number)

    def add_claim(self, claim: Claim, *, token: str) -> None:
        self._change("sink_blocks", token, lambda: self._database.claims.append(claim))

    def finished(self) -> tuple[int, Mapping[int, int]]:
        self._ask()
        return self._database.finished, dict(self._database.positions)

    def batches(self, positions: Mapping[int, int]) -> dict[int, LedgerBatch]:
        self._ask()
        return {partition: self._database.batches[partition] for partition in positions if self._database.batches}

    def rows_to(self, positions: Mapping[int, int], *, in_order: bool) -> dict[int, int]:
        self._ask()
        ends: dict[int, int] = {}
        for rows in self._database.tables.values():
            for _, (partition, offset, _) in rows:
                ends[partition] = max(ends.get(partition, 0), offset + 1)
        return {partition: end for partition, end in ends.items() if end > positions.get(partition, 0)}

    def finish(self, block: Block, *, token: str) -> None:
        def move() -> None:
            database = self._database
            database.finished = max(database.finished, block.number)
            for span in block.spans:
                database.positions[span.partition] = max(database.positions.get(span.partition, 0), span.next)

        self._change("sink_positions", token, move)

    def count(self, block: Block, rows: TableRows) -> int:
        self._ask()
        return sum(
            month == rows.month and _in_block(row, block) for month, row in self._database.tables.get(rows.table, ())
        )

    def insert(self, rows: TableRows, *, token: str) -> None:
        def add() -> None:
            self._database.tables.setdefault(rows.table, []).extend((rows.month, row) for row in rows_of(rows))

        self._change(rows.table, token, add)

    def remove(self, block: Block, rows: TableRows) -> None:
        self._ask()
        table = self._database.tables[rows.table]
        table[:] = [(month, row) for month, row in table if not (month == rows.month and _in_block(row, block))]

    def _ask(self) -> None:
        match self._faults():
            case Fault.KILLED | Fault.KILLED_AFTER | Fault.KILLED_WAITING:
                raise KilledError
            case Fault.REFUSED | Fault.UNANSWERED | Fault.SLOW:
                raise AwayError("fake")
            case Fault.SERVER_KILLED | Fault.SERVER_KILLED_LATE:
                self._database.kill()
                raise AwayError("fake")
            case Fault.STOPPED:
                self._others()
        self._check_connection()

    def _change(self, table: str, token: str, effect: Callable[[], None]) -> None:
        database = self._database

        def do(*, remembered: bool = True) -> None:
            database.once(table, token, effect, remembered=remembered)

        fault = self._faults()
        match fault:
            case Fault.KILLED:
                raise KilledError
            case Fault.REFUSED:
                raise AwayError("fake")
            case Fault.SLOW | Fault.KILLED_WAITING:
                self._check_connection()
                database.running.append(do)
                raise KilledError if fault is Fault.KILLED_WAITING else AwayError("fake")
            case Fault.SERVER_KILLED:
                database.kill()
                raise AwayError("fake")
            case Fault.SERVER_KILLED_LATE:
                self._check_connection()
                database.kill()
                do(remembered=False)
                raise AwayError("fake")
            case Fault.STOPPED:
                self._others()
        self._check_connection()
        do()
        if fault is Fault.UNANSWERED:
            raise AwayError("fake")
        if fault is Fault.KILLED_AFTER:
            raise KilledError

    def _check_connection(self) -> None:
        if self._start != self._database.starts:
            raise AwayError("fake")


class FakeSource:
    """A topic in memory whose records are gathered in chance amounts."""

    def __init__(self, records: Sequence[Record], chance: random.Random) -> None:
        self._records = records
        self._chance = chance
        self._positions: dict[int, int] = {}

    def seek(self, positions: Mapping[int, int]) -> None:
        self._positions = dict(positions)

    def gather(self) -> Gathered:
        waiting = [each for each in self._records if each.offset >= self._positions.get(each.partition, 0)]
        taken = waiting[: self._chance.randint(1, 4)]
        spans = []
        for partition in sorted({each.partition for each in taken}):
            first = self._positions.get(partition, 0)
            # The marker behind the last record is taken along or not.
            end = max(each.offset for each in taken if each.partition == partition) + self._chance.randint(1, 2)
            spans.append(Span(partition, first, end))
            self._positions[partition] = end
        return Gathered(tuple(spans), taken)

    def read(self, spans: Sequence[Span]) -> list[Record]:
        self._positions.clear()
        return [
            each
            for each in self._records
            if any(each.partition == span.partition and span.first <= each.offset < span.next for span in spans)
        ]


def rows_of(rows: TableRows) -> list[Row]:
    """Each row as its identity: partition, offset of the posting, line in it."""
    columns: dict[str, Any] = dict(rows.columns)
    names = ("partition", "posting_offset", "line")
    return list(zip(*(columns[name].tolist() for name in names), strict=True))


def _in_block(row: Row, block: Block) -> bool:
    return any(row[0] == span.partition and span.first <= row[1] < span.next for span in block.spans)
