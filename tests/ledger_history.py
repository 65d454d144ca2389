"""Histories taken by the real core, as postings and as rows in ClickHouse: what analytics is tested on."""

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from sinks.clickhouse.blocks import Block, Blocks, Span
from sinks.clickhouse.columns import table_rows
from sinks.clickhouse.shards import ShardedStore
from sinks.clickhouse.tables import Posted, cut_by_shard
from sinks.clickhouse.writer import ClickHouseStore
from streams.core.localtime import parse_time
from streams.core.outcome import Outcome, Position, Source, Supply
from streams.core.site import ReadingBatch, SiteLedger
from streams.core.told import BANDS_MAX, UNTOLD
from streams.core.units import parse_decimal
from streams.postings import Inputs, Postings, cut_postings
from streams.postings import Span as InputSpan
from streams.replay import told_of

SUPPLY = {None: Supply.UNKNOWN, "on": Supply.ON, "off": Supply.OFF}

Line = dict[str, Any]


@dataclass(slots=True)
class Partition:
    """One partition's ledger: batches of lines in, postings out; orders of a batch come before its readings."""

    number: int
    sequence: int = 0
    orders: int = 0
    frames: int = 0
    sites: dict[str, SiteLedger] = field(default_factory=dict)

    def take(self, lines: Iterable[Line], *, size: int) -> Iterator[Postings]:
        """Fold lines in batches of `size` lines at most."""
        batch: list[Line] = []
        for line in lines:
            if batch and (len(batch) == size or ("order" in line and "reading" in batch[-1])):
                yield from self._fold(batch)
                batch = []
            batch.append(line)
        if batch:
            yield from self._fold(batch)

    def _fold(self, batch: Sequence[Line]) -> Iterator[Postings]:
        first = InputSpan(self.frames, 0), InputSpan(self.orders, 0)
        touched: dict[str, list[Line]] = {}
        for line in batch:
            name = line.get("site", "S1")
            site = self.sites.setdefault(name, SiteLedger(name))
            touched.setdefault(name, [])
            if "order" in line:
                position = Position(Source.ORDERS, self.orders)
                site.take_order(line, at=time_ms(line["at"]), position=position)
                self.orders += 1
            else:
                touched[name].append(line | {"offset": self.frames})
                self.frames += 1
        inputs = Inputs(InputSpan(first[0].first, self.frames), InputSpan(first[1].first, self.orders))
        for name, readings in touched.items():
            if readings:
                self.sites[name].take_readings(reading_batch(self.sites[name], readings))
            outcome = self.sites[name].settle()
            yield from cut_postings(Postings(name, self.number, self.sequence, inputs, outcome))
        self.sequence += 1


def reading_batch(site: SiteLedger, lines: Sequence[Line]) -> ReadingBatch:
    """Reading lines as the core takes them."""
    readings = [line["reading"] for line in lines]
    registers = [parse_decimal(reading["register"]) for reading in readings]
    told = [told_of(site, reading) for reading in readings]
    scaled = [None if register is None else register.scaled(3) for register in registers]
    return ReadingBatch(
        meter=np.array([site.meter_number(reading["meter"]) for reading in readings], np.int32),
        register=np.array([-1 if register is None else register for register in scaled], np.int64),
        read_at=np.array([time_ms(reading["read_at"]) for reading in readings], np.int64),
        at=np.array([time_ms(line["at"]) for line in lines], np.int64),
        supply=np.array([SUPPLY[reading.get("supply")] for reading in readings], np.uint8),
        offset=np.array([line["offset"] for line in lines], np.int64),
        line=np.zeros(len(lines), np.uint32),
        remaining=np.array([each.remaining for each in told], np.int64),
        count=np.array([each.count for each in told], np.int64),
        bands=np.array([[*each.bands, *[UNTOLD] * (BANDS_MAX - len(each.bands))] for each in told], np.int64),
        conditions=np.array([each.conditions for each in told], np.int64),
        events=np.array([each.events for each in told], np.int64),
    )


def time_ms(text: str) -> int:
    """Milliseconds of a time of the ledger's language."""
    at = parse_time(text)
    assert at is not None, text
    return at


def lines_of(texts: Iterable[str], *, prefix: str = "") -> list[Line]:
    """Scenario lines as objects; their sites' names get a prefix, so that scenarios can share a partition."""
    lines = [json.loads(text) for text in texts if text.strip()]
    return [line | {"site": prefix + line.get("site", "S1")} for line in lines]


class History:
    """Postings of some partitions with their places in the topic, and the way into a database."""

    def __init__(self) -> None:
        self.posted: list[Posted] = []
        self._partitions: dict[int, Partition] = {}
        self._ends: dict[int, int] = {}

    def take(self, partition: int, lines: Iterable[Line], *, size: int = 1000) -> None:
        """Let a partition's ledger take more lines."""
        ledger = self._partitions.setdefault(partition, Partition(partition))
        for postings in ledger.take(lines, size=size):
            self.add(partition, postings)

    def add(self, partition: int, postings: Postings) -> None:
        """Add what a ledger gave out."""
        # Two offsets apart, as in a log where each is a transaction with its marker.
        offset = self._ends.get(partition, 0)
        self._ends[partition] = offset + 2
        self.posted.append(Posted(partition, offset, postings))

    def site(self, name: str) -> SiteLedger:
        """The ledger of a site, as it is after everything."""
        return next(ledger.sites[name] for ledger in self._partitions.values() if name in ledger.sites)

    def sites(self) -> list[str]:
        return sorted(name for ledger in self._partitions.values() for name in ledger.sites)

    def outcomes(self, site: str) -> list[Outcome]:
        """What became of a site, in the order of its ledger's work."""
        return [each.postings.outcome for each in self.posted if each.postings.site == site]

    def write(self, url: str, *, block: int = 100_000, count: int | None = None, cluster: str = "") -> None:
        """Write all postings that are not written, or the first `count` of all, as the sink does, some to a block."""
        sharded = ShardedStore(url, cluster, sink="clickhouse") if cluster else None
        store = sharded or ClickHouseStore(url, sink="clickhouse")
        blocks = Blocks(store, sink="clickhouse", claimed_by="history", clock=time.monotonic)
        registry = store.registry()
        number, ends = blocks.load().finished, dict(store.finished()[1])
        waiting = iter(each for each in self.posted[:count] if each.offset >= ends.get(each.partition, 0))
        while some := list(islice(waiting, block)):
            number += 1
            nexts = {each.partition: each.offset + 2 for each in some}
            spans = tuple(Span(partition, ends.get(partition, 0), end) for partition, end in sorted(nexts.items()))
            ends |= nexts
            claimed = Block(number, spans)
            blocks.claim(claimed)
            rows = table_rows(some, registry)
            blocks.write(claimed, cut_by_shard(rows, sharded.shard_of) if sharded else rows, begun_before=False)
        store.close()
