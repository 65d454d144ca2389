"""What became of commands, into `gateway.reports`: once a command, as far as Kafka has acknowledged it.

A thread of its own sends what sessions report. Reports wait in memory while Kafka is away; what a process that ends
takes with it is reported by the next one, which finds the command in its topic again.
"""

import queue
import sqlite3
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import structlog
from kafka import KafkaProducer
from kafka.errors import KafkaError

from collectors.gateways.command import Command
from collectors.gateways.report import Outcome
from infra.clock import Clock
from infra.topics import GATEWAY_REPORTS, partition_of
from streams.core.localtime import format_time

log = structlog.get_logger(__name__)

VERSION: Final = 1
KEPT_MS: Final = 8 * 24 * 60 * 60_000
"""Longer than a command can come again from its topic."""
FRAME_BYTES_MAX: Final = 4096
DETAIL_MAX: Final = 1_000
"""Characters: a record must fit its topic, or no report behind it would get there."""
_BATCH_MAX: Final = 1000
_ACKNOWLEDGED_S: Final = 30
_RETRY_S: Final = 1.0
_END_S: Final = 10.0
_UNPROVEN: Final = frozenset((Outcome.FORGED, Outcome.MALFORMED))
"""Of records that the ledger may not have written: they must not pass for the reports of its commands."""


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a command at a time, ms."""

    command: Command
    outcome: Outcome
    detail: str
    at_ms: int
    frame: bytes

    @property
    def identity(self) -> tuple[str, str, int, str]:
        """What a second report of the same command has too."""
        command = self.command
        if self.outcome in _UNPROVEN:
            return (
                command.site,
                command.meter,
                command.sequence,
                f"{self.outcome}:{command.signature or command.reason}",
            )
        return command.site, command.meter, command.sequence, ""

    def value(self) -> bytes:
        """The record's value."""
        command = self.command
        return msgspec.json.encode(
            {
                "v": VERSION,
                "site": command.site,
                "gateway": command.gateway,
                "meter": command.meter,
                "sequence": command.sequence,
                "action": command.action,
                "outcome": self.outcome,
                "detail": self.detail[:DETAIL_MAX],
                "at": format_time(self.at_ms),
                "frame": self.frame[:FRAME_BYTES_MAX].hex(),
            }
        )


class CommandReporter:
    """Sends reports, the first of each command and no other.

    Args:
        path: Remembers across restarts which commands were reported.
    """

    def __init__(self, bootstrap: str, *, partitions: int, clock: Clock, path: Path) -> None:
        self._bootstrap = bootstrap
        self._partitions = partitions
        self._clock = clock
        self._path = path
        self._waiting: queue.SimpleQueue[Report | None] = queue.SimpleQueue()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reports", daemon=True)
        self.failure: Future[None] = Future()
        """Never done, unless reporting fails by a bug: then it has the exception."""

    def start(self) -> None:
        self._thread.start()

    def report(self, command: Command, outcome: Outcome, detail: str, frame: bytes) -> None:
        """Have a command reported; from any thread, returns at once."""
        self._waiting.put(Report(command, outcome, detail, self._clock.now_ms(), frame))

    def stop(self) -> None:
        """Send what waits, and end; what Kafka does not take in time is found again by the next start."""
        self._ending.set()
        self._waiting.put(None)
        self._thread.join(_END_S)
        if self._thread.is_alive():
            log.warning("ended before Kafka acknowledged all reports of commands")

    def _run(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        told = ReportBook(self._path)
        try:
            told.forget_before(self._clock.now_ms() - KEPT_MS)
            while True:
                reports, goes_on = self._next()
                fresh = told.fresh(reports)
                while fresh and not self._send(fresh):
                    if self._ending.wait(_RETRY_S):
                        return
                told.note(fresh)
                if not goes_on:
                    return
        except sqlite3.Error as error:
            # Commands go on being carried out: what is not reported now is by a later start, whose disk works.
            log.critical("commands are no longer reported", error=repr(error))
        except Exception as error:
            self.failure.set_exception(error)
        finally:
            told.close()

    def _next(self) -> tuple[list[Report], bool]:
        """All that waits, once something does; and whether more may come."""
        reports: list[Report] = []
        found = self._waiting.get()
        while found is not None:
            reports.append(found)
            if self._waiting.empty() or len(reports) == _BATCH_MAX:
                return reports, True
            found = self._waiting.get()
        return reports, False

    def _send(self, reports: Sequence[Report]) -> bool:
        """Whether Kafka has them all. A part that it had before comes twice: a repeat can be told by its command."""
        try:
            # Reports are few: a connection for each lot needs no watching in between.
            producer = KafkaProducer(
                bootstrap_servers=self._bootstrap.split(","),
                client_id="sluice-reports",
                acks="all",
                enable_idempotence=True,
                allow_auto_create_topics=False,
                reconnect_backoff_max_ms=1000,
            )
            try:
                sent = []
                for report in reports:
                    key = report.command.gateway.encode()
                    place = partition_of(key, self._partitions)
                    sent.append(producer.send(GATEWAY_REPORTS, key=key, value=report.value(), partition=place))
                for future in sent:
                    future.get(timeout=_ACKNOWLEDGED_S)
            finally:
                producer.close(timeout=_END_S)
        except KafkaError as error:
            log.warning("reports of commands not delivered, sent again", error=repr(error))
            return False
        return True


class ReportBook:
    """Which commands were reported: on the disk, because a start reads commands again."""

    def __init__(self, path: Path) -> None:
        self._base = sqlite3.connect(path, isolation_level=None)
        self._base.execute("PRAGMA journal_mode=WAL")
        self._base.execute(
            "CREATE TABLE IF NOT EXISTS reported (site TEXT, meter TEXT, sequence INTEGER, unproven TEXT, "
            "at_ms INTEGER NOT NULL, PRIMARY KEY (site, meter, sequence, unproven))"
        )

    def fresh(self, reports: Sequence[Report]) -> list[Report]:
        """The first of each command that was not reported before, in their order."""
        found: dict[tuple[str, str, int, str], Report] = {}
        for report in reports:
            if not self._has(report):
                found.setdefault(report.identity, report)
        return list(found.values())

    def note(self, reports: Sequence[Report]) -> None:
        """Put reports down as acknowledged."""
        rows = [(*report.identity, report.at_ms) for report in reports]
        self._base.execute("BEGIN")
        with self._base:
            self._base.executemany("INSERT OR IGNORE INTO reported VALUES (?, ?, ?, ?, ?)", rows)

    def forget_before(self, at_ms: int) -> None:
        """Drop what is too old to come again."""
        self._base.execute("DELETE FROM reported WHERE at_ms < ?", (at_ms,))

    def close(self) -> None:
        self._base.close()

    def _has(self, report: Report) -> bool:
        asked = "SELECT 1 FROM reported WHERE site = ? AND meter = ? AND sequence = ? AND unproven = ?"
        return self._base.execute(asked, report.identity).fetchone() is not None
