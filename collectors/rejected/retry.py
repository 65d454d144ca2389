"""Sending what was set aside once more, each thing once.

A frame goes again with all frames of its meter in that round, as a round of its own with the times of then; a record
that was set aside whole goes as it is. What the ledger had taken it drops as a repeat of the same `read_at`.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from kafka import KafkaProducer

from collectors.rejected.records import Rejected
from collectors.topic_scan import end_offset, scan_from
from collectors.wire.round import Block, Round, decode_round, encode_round
from infra.topics import METER_FRAMES, record_bytes_max

RETRY_HEADER: Final = "sluice-retry"
"""Of a record that goes again: once for each thing that it brings, `PARTITION:OFFSET:ADDRESS`."""
WHOLE: Final = -1
"""Stands for the address where a record goes as it is."""
_ACKNOWLEDGED_S: Final = 30

Thing = tuple[int, int, int]
"""Partition and offset of a round in `meter.frames`, and a meter's address in it or `WHOLE`."""


class RetryError(Exception):
    """Something that cannot go again; says why."""


@dataclass(frozen=True, slots=True)
class Original:
    """A record that things were set aside of."""

    partition: int
    offset: int
    key: bytes
    value: bytes


@dataclass(slots=True)
class Retried:
    """What a retry did: how many things went, by the offset of their new record, and how many had gone before."""

    sent: dict[Thing, int] = field(default_factory=dict)
    before: int = 0


def read_original(bootstrap: str, rejected: Rejected) -> Original:
    """The record that bytes were set aside of.

    Raises:
        RetryError: The topic no longer keeps it.
    """
    for record in scan_from(bootstrap, METER_FRAMES, rejected.partition, offset=rejected.offset):
        if record.offset == rejected.offset:
            return Original(rejected.partition, rejected.offset, record.key or b"", record.value or b"")
        break
    raise RetryError(f"{rejected.place}: {METER_FRAMES} no longer keeps its round")


def thing_of(rejected: Rejected, original: Original) -> Thing:
    """What has to go again for one line of the list.

    Raises:
        RetryError: It is an order, whose sender has to give it anew.
    """
    if rejected.input != "frames":
        raise RetryError(f"{rejected.place}: an order is given anew by whoever gave it, not sent again")
    if rejected.is_whole:
        return original.partition, original.offset, WHOLE
    return original.partition, original.offset, _address(decode_round(original.value), rejected.line)


def value_of(original: Original, addresses: Iterable[int]) -> bytes:
    """The record that brings some meters' frames of a round again, or all of it for `WHOLE`."""
    wanted = set(addresses)
    if WHOLE in wanted:
        return original.value
    taken = decode_round(original.value)
    numbers = np.array(sorted(wanted), np.uint64)
    blocks = tuple(part for block in taken.blocks if (part := _only(block, numbers)) is not None)
    return encode_round(replace(taken, blocks=blocks))


def retry(bootstrap: str, book: "RetryBook", things: Sequence[tuple[Thing, Original]]) -> Retried:
    """Send things that did not go before; returns when Kafka has them.

    Raises:
        KafkaError: Not acknowledged; a later retry looks in the topic for what did arrive.
    """
    done = Retried()
    by_original: dict[tuple[int, int], tuple[Original, list[Thing]]] = {}
    for thing, original in dict(things).items():
        if book.is_sent(thing) or _arrived(bootstrap, book, thing):
            done.before += 1
        else:
            by_original.setdefault(thing[:2], (original, []))[1].append(thing)
    if not by_original:
        return done
    producer = KafkaProducer(
        bootstrap_servers=bootstrap.split(","),
        client_id="sluice-retry",
        acks="all",
        enable_idempotence=True,
        max_request_size=record_bytes_max(bootstrap, METER_FRAMES),
        allow_auto_create_topics=False,
    )
    try:
        ends = {number: end_offset(bootstrap, METER_FRAMES, number) for number, _ in by_original}
        for (partition, _), (original, found) in by_original.items():
            value = value_of(original, [address for _, _, address in found])
            headers = [(RETRY_HEADER, _name(thing)) for thing in found]
            # Noted first: should this process end now, the next one knows where to look for the record.
            book.begin(found, from_offset=ends[partition])
            sent = producer.send(METER_FRAMES, value, key=original.key, partition=partition, headers=headers)
            offset = sent.get(timeout=_ACKNOWLEDGED_S).offset
            book.note_sent(found, offset)
            done.sent |= dict.fromkeys(found, offset)
    finally:
        producer.close()
    return done


class RetryBook:
    """What was sent again, on the disk of the data directory."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._base = sqlite3.connect(path, isolation_level=None)
        self._base.execute("PRAGMA synchronous=FULL")
        self._base.execute(
            "CREATE TABLE IF NOT EXISTS retried (partition INTEGER, at_offset INTEGER, address INTEGER, "
            "from_offset INTEGER NOT NULL, sent_offset INTEGER, PRIMARY KEY (partition, at_offset, address))"
        )
        # One retry at a time: a second one waits here until the first has noted what it sent.
        self._base.execute("PRAGMA busy_timeout=60000")
        self._base.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._base.execute("BEGIN EXCLUSIVE")
        self._base.execute("COMMIT")

    def is_sent(self, thing: Thing) -> bool:
        """Whether it went and Kafka had it."""
        row = self._find("sent_offset", thing)
        return row is not None and row[0] is not None

    def begun_at(self, thing: Thing) -> int | None:
        """From where on it must be, if a retry began and did not end; None if none began."""
        row = self._find("from_offset", thing)
        return None if row is None else int(row[0])

    def begin(self, things: Sequence[Thing], *, from_offset: int) -> None:
        """Note that things are about to go."""
        rows = [(*thing, from_offset) for thing in things]
        self._base.execute("BEGIN")
        with self._base:
            self._base.executemany("INSERT OR REPLACE INTO retried VALUES (?, ?, ?, ?, NULL)", rows)

    def note_sent(self, things: Sequence[Thing], offset: int) -> None:
        """Note where Kafka has them."""
        rows = [(offset, *thing) for thing in things]
        self._base.execute("BEGIN")
        with self._base:
            self._base.executemany(
                "UPDATE retried SET sent_offset = ? WHERE partition = ? AND at_offset = ? AND address = ?", rows
            )

    def close(self) -> None:
        self._base.close()

    def _find(self, column: str, thing: Thing) -> Any:
        asked = f"SELECT {column} FROM retried WHERE partition = ? AND at_offset = ? AND address = ?"
        return self._base.execute(asked, thing).fetchone()


def _arrived(bootstrap: str, book: RetryBook, thing: Thing) -> bool:
    """Whether a retry that ended before it was told so did bring a thing into the topic; noted if it did."""
    begun = book.begun_at(thing)
    if begun is None:
        return False
    for record in scan_from(bootstrap, METER_FRAMES, thing[0], offset=begun):
        if (RETRY_HEADER, _name(thing)) in list(record.headers or ()):
            book.note_sent([thing], record.offset)
            return True
    return False


def _name(thing: Thing) -> bytes:
    return ":".join(map(str, thing)).encode()


def _address(taken: Round, line: int) -> int:
    """The address of a round's frame, counted from 0 over all blocks."""
    for block in taken.blocks:
        if line < len(block):
            return int(block.addresses[line])
        line -= len(block)
    raise RetryError(f"the round has no frame {line}")


def _only(block: Block, addresses: Any) -> Block | None:
    """A block's frames of some meters; None if it has none."""
    rows = np.flatnonzero(np.isin(block.addresses, addresses))
    if not len(rows):
        return None
    frames = block.frames()
    return Block.of_frames(
        block.template,
        block.item,
        block.addresses[rows].tolist(),
        block.read_at[rows].tolist(),
        [frames[row] for row in rows.tolist()],
    )
