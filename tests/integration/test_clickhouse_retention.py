"""Events are removed after as many days as the setting says; what money is made of never is."""

import time
from datetime import UTC, datetime, timedelta

import numpy as np
from clickhouse_driver import Client

from infra.clickhouse.retention import EVENTS, RAW, set_retention
from infra.clickhouse.server import _retain
from infra.settings import KEPT_DAYS_MAX, Settings
from sinks.clickhouse.blocks import Block, Blocks, Span, insert_token
from sinks.clickhouse.tables import TableRows
from sinks.clickhouse.writer import ClickHouseStore
from tests.integration.clickhouse_places import own_database


class Promptly(ClickHouseStore):
    """A store that counts when the rule has been carried out, which a database does sooner or later."""

    def count(self, block: Block, rows: TableRows) -> int:
        self._client.execute(f"OPTIMIZE TABLE {rows.table} FINAL")
        return super().count(block, rows)


def test_a_block_of_events_that_are_too_old_is_finished_after_a_crash(clickhouse: str) -> None:
    told_at = datetime.now(UTC) - timedelta(days=100)
    numbers = {name: np.zeros(3, np.int64) for name in ("source", "partition", "line")}
    texts = {name: np.array([name] * 3, object) for name in ("site", "reason", "subject")}
    times = {"at": np.full(3, int(told_at.timestamp() * 1000))}
    offsets = {name: np.arange(3) for name in ("offset", "posting_offset")}
    rows = TableRows("refusals", told_at.year * 100 + told_at.month, {**numbers, **texts, **times, **offsets}, 3)
    block = Block(1, (Span(0, 0, 10),))
    with own_database(clickhouse, "crashed") as url, Client.from_url(url) as client:
        set_retention(client, EVENTS, 30)
        store = ClickHouseStore(url, sink="clickhouse")
        blocks = Blocks(store, sink="clickhouse", claimed_by="first", clock=time.monotonic)
        blocks.claim(block)
        store.insert(rows, token=insert_token("clickhouse", block, rows))
        store.close()
        client.execute("OPTIMIZE TABLE refusals FINAL")
        assert client.execute("SELECT count() FROM refusals") == [(0,)]
        store = Promptly(url, sink="clickhouse")
        blocks = Blocks(store, sink="clickhouse", claimed_by="second", clock=time.monotonic)
        unfinished = blocks.load().unfinished
        assert unfinished == block
        assert blocks.write(block, [rows], begun_before=True) == 3
        assert (blocks.load().finished, blocks.load().unfinished) == (1, None)
        store.close()


def test_old_events_go_and_the_rest_stays(clickhouse: str) -> None:
    with own_database(clickhouse, "kept") as url, Client.from_url(url) as client:
        now = datetime.now(UTC)
        for table, time in {**EVENTS, **RAW, "entries": "at"}.items():
            rows = [(f"S{days}", now - timedelta(days=days)) for days in (0, 20, 40)]
            client.execute(f"INSERT INTO {table} (site, {time}) VALUES", rows)

        def left() -> list[tuple[str, int]]:
            counts = []
            for table in (*EVENTS, *RAW, "entries"):
                client.execute(f"OPTIMIZE TABLE {table} FINAL")
                ((rows,),) = client.execute(f"SELECT count() FROM {table}")
                counts.append(rows)
            return list(zip((*EVENTS, *RAW, "entries"), counts, strict=True))

        def expected(events: int, raw: int) -> list[tuple[str, int]]:
            return [*((table, events) for table in EVENTS), *((table, raw) for table in RAW), ("entries", 3)]

        assert set_retention(client, EVENTS, 0) == []
        assert left() == expected(3, 3)
        assert set_retention(client, EVENTS, 30) == list(EVENTS)
        assert set_retention(client, EVENTS, 30) == []
        assert left() == expected(2, 3)
        assert set_retention(client, EVENTS, 10) == list(EVENTS)
        assert set_retention(client, RAW, 30) == list(RAW)
        assert left() == expected(1, 2)
        assert set_retention(client, EVENTS, 0) == list(EVENTS)
        assert set_retention(client, EVENTS, 0) == []


def test_the_longest_time_removes_nothing_of_today(clickhouse: str) -> None:
    with own_database(clickhouse, "longest") as url, Client.from_url(url) as client:
        tables = {**EVENTS, **RAW}
        for table, time in tables.items():
            client.execute(f"INSERT INTO {table} (site, {time}) VALUES", [("S1", datetime.now(UTC))])
        assert set_retention(client, tables, KEPT_DAYS_MAX) == list(tables)
        for table in tables:
            client.execute(f"OPTIMIZE TABLE {table} FINAL")
            assert client.execute(f"SELECT count() FROM {table}") == [(1,)], table


def test_raw_frames_of_before_still_go_when_no_more_are_copied(clickhouse: str) -> None:
    with own_database(clickhouse, "stopped") as url, Client.from_url(url) as client:
        now = datetime.now(UTC)
        _retain(url, Settings(raw_days=30, event_days=30))
        _retain(url, Settings(raw_days=0, event_days=0))
        for table, time in {"frames_raw": "collected_at", "alarms": "at"}.items():
            rows = [(f"S{days}", now - timedelta(days=days)) for days in (0, 40)]
            client.execute(f"INSERT INTO {table} (site, {time}) VALUES", rows)
            client.execute(f"OPTIMIZE TABLE {table} FINAL")
        assert client.execute("SELECT site FROM frames_raw") == [("S0",)]
        assert client.execute("SELECT site FROM alarms ORDER BY site") == [("S0",), ("S40",)]
