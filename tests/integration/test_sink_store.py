"""Columns arrive in ClickHouse as they were given, and its answers are what exactly once rests on."""

import time
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import numpy as np
import pytest
from clickhouse_driver import Client

from infra.clickhouse.migrate import migrate
from sinks import positions
from sinks.clickhouse.blocks import Block, Blocks, Claim, Progress, Span, insert_token
from sinks.clickhouse.columns import table_rows
from sinks.clickhouse.journal import LedgerBatch
from sinks.clickhouse.registry import Registry
from sinks.clickhouse.sink import posted
from sinks.clickhouse.tables import TableRows, Words
from sinks.clickhouse.writer import ClickHouseStore
from sinks.errors import AnotherSinkError, AwayError, SchemaError
from tests.sink_postings import made_postings, records, totals

POSTINGS = list(made_postings(partitions=2, batches=4, meters=3, count=50, seed=2))
BLOCK = Block(1, (Span(0, 0, 8), Span(1, 0, 8)))


@pytest.fixture
def url(clickhouse: str) -> Iterator[str]:
    """A database of its own."""
    name = f"sink_{uuid.uuid4().hex[:12]}"
    own = urlunsplit(urlsplit(clickhouse)._replace(path=f"/{name}"))
    migrate(own)
    yield own
    client = Client.from_url(clickhouse)
    client.execute(f"DROP DATABASE {name}")
    client.disconnect()


@pytest.fixture
def client(url: str) -> Iterator[Any]:
    client = Client.from_url(url)
    yield client
    client.disconnect()


@pytest.fixture
def store(url: str) -> Iterator[ClickHouseStore]:
    store = ClickHouseStore(url, sink="clickhouse")
    yield store
    store.close()


def blocks_of(store: ClickHouseStore, name: str = "me") -> Blocks:
    return Blocks(store, sink="clickhouse", claimed_by=name, clock=time.monotonic)


def rows_of_all() -> list[TableRows]:
    return table_rows([posted(record) for record in records(POSTINGS)], Registry())


def write_all(store: ClickHouseStore, *, begun_before: bool = False) -> None:
    blocks_of(store).write(BLOCK, rows_of_all(), begun_before=begun_before)


def counts(client: Any) -> dict[str, int]:
    return {table: client.execute(f"SELECT count() FROM {table}")[0][0] for table in totals(POSTINGS).rows}


def test_every_value_of_every_table_arrives(store: ClickHouseStore, client: Any) -> None:
    write_all(store)
    for table in totals(POSTINGS).rows:
        sent: list[tuple[Any, ...]] = []
        names: list[str] = []
        for rows in rows_of_all():
            if rows.table == table:
                names = list(rows.columns)
                columns = [
                    column.words[column.codes] if isinstance(column, Words) else column
                    for column in rows.columns.values()
                ]
                sent += zip(*(column.tolist() for column in columns), strict=True)
        types = dict(
            client.execute(
                "SELECT name, type FROM system.columns WHERE table = %(table)s AND database = currentDatabase()",
                {"table": table},
            )
        )
        chosen = ", ".join(
            f"toUnixTimestamp64Milli({name})" if types[name].startswith("DateTime64") else f"`{name}`" for name in names
        )
        found = client.execute(f"SELECT {chosen} FROM {table}")
        assert sorted(map(repr, map(listed, found))) == sorted(map(repr, map(listed, sent))), table


def listed(value: Any) -> Any:
    """Tuples as lists, all the way down: the driver reads an array as a list, the ledger gives a tuple."""
    return [listed(each) for each in value] if isinstance(value, list | tuple) else value


def test_registry_comes_back_from_the_tables(store: ClickHouseStore) -> None:
    write_all(store)
    registry = store.registry()
    words = registry.words
    site = registry.site("S2")
    assert [words.meters[code] for code in site.meters.take(np.array([0, 1, 2]))] == ["S2-M0", "S2-M1", "S2-M2"]
    assert words.gateways[site.gateways[2]] == "S2-G1"
    assert words.kinds[site.kinds[1]] == "water"
    assert words.accounts[site.accounts[1]] == "S2-A1"
    codes = site.band_codes(np.array([0, 0, 65535], np.uint16), np.array([1, 0, 255], np.uint8))
    assert [words.bands[code] for code in codes] == ["valley", "peak", ""]


def test_an_insert_is_one_part_and_done_once(store: ClickHouseStore, client: Any) -> None:
    count = 300_000
    big = TableRows(
        "readings",
        202601,
        {
            "meter": Words(np.arange(count, dtype=np.int32) % 5, np.array(list("abcde"), object)),
            "read_at": np.full(count, 1_768_000_000_000) + np.arange(count),
            "partition": np.zeros(count, np.uint16),
            "posting_offset": np.zeros(count, np.uint64),
        },
        count,
    )
    client.execute("SYSTEM STOP MERGES readings")
    name = insert_token("clickhouse", BLOCK, big)
    store.insert(big, token=name)
    store.insert(big, token=name)
    assert client.execute(
        "SELECT partition, rows FROM system.parts WHERE active AND table = 'readings' AND database = currentDatabase()"
    ) == [("202601", count)]
    assert store.count(BLOCK, big) == count
    assert client.execute("SELECT meter, count() FROM readings GROUP BY meter ORDER BY meter") == [
        (meter, count // 5) for meter in "abcde"
    ]


def test_a_repeated_write_adds_nothing(store: ClickHouseStore, client: Any) -> None:
    write_all(store)
    write_all(store)
    write_all(store, begun_before=True)
    assert counts(client) == totals(POSTINGS).rows


@pytest.mark.parametrize("table", list(totals(POSTINGS).rows))
def test_what_is_missing_of_a_block_is_put_back(store: ClickHouseStore, client: Any, table: str) -> None:
    """Whole inserts, as after a crash; and parts of them, as after somebody's DELETE, twice over."""
    write_all(store)
    client.execute(f"ALTER TABLE {table} DELETE WHERE 1 SETTINGS mutations_sync = 2")
    write_all(store, begun_before=True)
    assert counts(client) == totals(POSTINGS).rows
    for _ in range(2):
        client.execute(f"ALTER TABLE {table} DELETE WHERE partition = 0 SETTINGS mutations_sync = 2")
        write_all(store, begun_before=True)
        assert counts(client) == totals(POSTINGS).rows


def test_only_the_block_and_month_are_counted(store: ClickHouseStore) -> None:
    write_all(store)
    found = {(rows.table, rows.month): store.count(BLOCK, rows) for rows in rows_of_all()}
    assert found == {(rows.table, rows.month): rows.count for rows in rows_of_all()}
    assert len([month for table, month in found if table == "readings"]) == 2
    for rows in rows_of_all():
        assert store.count(Block(1, (Span(0, 8, 20), Span(7, 0, 8))), rows) == 0


def test_a_number_is_claimed_once(store: ClickHouseStore, url: str) -> None:
    blocks_of(store, "first").claim(BLOCK)
    other = ClickHouseStore(url, sink="clickhouse")
    with pytest.raises(AnotherSinkError, match="claimed by first"):
        blocks_of(other, "second").claim(Block(1, (Span(0, 0, 2),)))
    other.close()
    assert store.claims(after=0) == [Claim(BLOCK, "first")]
    assert blocks_of(store).load() == Progress(0, {}, BLOCK)


def test_a_claim_that_came_late_is_noticed(store: ClickHouseStore) -> None:
    blocks = blocks_of(store)
    blocks.claim(BLOCK)
    with pytest.raises(AwayError, match="other spans"):
        blocks.claim(Block(1, (Span(0, 0, 2),)))


@pytest.mark.parametrize("finished", [0, 1])
@pytest.mark.parametrize("records_gone", [True, False])
def test_half_a_block_whose_claim_was_cleared_is_looked_for(
    store: ClickHouseStore, client: Any, finished: int, records_gone: bool
) -> None:
    """A block that is cut elsewhere has other tokens: only a look tells that some of its rows are there."""
    halves = [(0, 4), (4, 8)][1 - finished :]
    everything, registry = [posted(record) for record in records(POSTINGS)], Registry()
    table_rows(everything, registry)
    for number, (first, end) in enumerate(halves, start=1):
        block = Block(number, (Span(0, first, end), Span(1, first, end)))
        rows = table_rows([each for each in everything if first <= each.offset < end], registry)
        blocks_of(store).claim(block)
        if number <= finished:
            blocks_of(store).write(block, rows, begun_before=False)
            continue
        for each in rows:
            if each.table != "postings":
                store.insert(each, token=insert_token("clickhouse", block, each))
    if records_gone:
        client.execute("TRUNCATE TABLE sink_blocks")
    progress = blocks_of(store).load()
    assert (progress.unfinished is None) == records_gone
    assert progress.may_have_rows([Span(0, 4, 6)]) == records_gone
    assert not progress.may_have_rows([Span(0, 8, 9)])


def test_the_last_batch_before_a_position_is_told(store: ClickHouseStore) -> None:
    write_all(store)
    batches = [LedgerBatch(each.sequence, each.inputs) for each in POSTINGS if each.partition == 0]
    assert store.batches({0: 7, 1: 7}) == {0: batches[3], 1: batches[3]}
    assert store.batches({0: 6, 1: 5}) == {0: batches[2], 1: batches[2]}
    assert store.batches({1: 1}) == {1: batches[0]}
    assert store.batches({0: 0}) == store.batches({}) == {}


def test_positions_only_move_forward(store: ClickHouseStore, client: Any) -> None:
    second = Block(2, (Span(1, 8, 30),))
    store.finish(BLOCK, token="a")
    store.finish(second, token="b")
    store.finish(BLOCK, token="c")
    assert store.finished() == (2, {0: 8, 1: 30})
    client.execute("OPTIMIZE TABLE sink_positions FINAL")
    assert store.finished() == (2, {0: 8, 1: 30})
    assert positions(client) == {0: 8, 1: 30}
    assert positions(client, "another sink") == {}


def test_a_database_without_the_schema_is_refused(clickhouse: str, client: Any, url: str) -> None:
    client.execute("DROP TABLE readings")
    client.execute("CREATE TABLE readings (at DateTime) ENGINE = MergeTree PARTITION BY toYYYYMMDD(at) ORDER BY at")
    client.execute("DROP TABLE pieces")
    with pytest.raises(SchemaError) as caught:
        ClickHouseStore(url, sink="clickhouse")
    assert str(caught.value) == (
        "readings is partitioned by toYYYYMMDD(at); readings.read_at is not in UTC milliseconds; "
        "readings has no non_replicated_deduplication_window; pieces is missing: the migrations have not run"
    )


def test_a_lost_connection_is_not_made_again_in_silence(store: ClickHouseStore) -> None:
    store._client.connection.socket.close()
    with pytest.raises(AwayError):
        store.finished()
