"""The embedded server's process: start, stop, kill -9, and what is there afterwards."""

import datetime as dt
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from clickhouse_driver.errors import Error, ServerException

from infra.clickhouse import server as clickhouse_server
from infra.clickhouse.migrate import MIGRATIONS, MigrationError, migrate
from infra.endpoints import read_record, running
from infra.process import LockedError
from infra.settings import Settings
from tests.conftest import embedded_clickhouse_url, start_part, stop_part
from tests.integration.clickhouse_lines import RawLine, connect, database, wait_until_running


class Embedded:
    """A server of its own, which a test may kill and start again."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return embedded_clickhouse_url(self.settings)

    def start(self) -> None:
        self._process = start_part(self.settings, "clickhouse")

    def stop(self) -> int:
        assert self._process is not None
        with self._process:
            return stop_part(self._process)

    def kill(self) -> None:
        assert self._process is not None
        with self._process:
            self._process.kill()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Embedded]:
    server = Embedded(Settings(data_dir=tmp_path, clickhouse=""))
    server.start()
    yield server
    server.kill()


def test_clean_stop_and_start(server: Embedded) -> None:
    url = server.url
    with connect(url) as client:
        client.execute("CREATE TABLE kept (a UInt8) ENGINE = MergeTree ORDER BY a")
        client.execute("INSERT INTO kept VALUES", [(1,)])
        assert server.stop() == 0
        server.start()
        assert server.url == url, "an analyst's address stays good"
        assert client.execute("SELECT a FROM kept") == [(1,)]


def test_stop_breaks_off_queries_and_tells_their_clients(server: Embedded) -> None:
    sql = "SELECT count() FROM numbers(3000000000000)"
    with RawLine(server.url) as line, connect(server.url) as client, RawLine(server.url) as idle:
        idle.hello()
        line.hello()
        line.query(sql)
        wait_until_running(client, sql)
        assert server.stop() == 0
        assert line.read_error()[0] == 394
        assert idle.is_closed()


def test_taken_port_is_given_up(server: Embedded) -> None:
    record = read_record(server.settings, "clickhouse")
    assert record is not None
    assert server.stop() == 0
    with socket.create_server(("127.0.0.1", record.ports["clickhouse"])):
        server.start()
    with connect(server.url) as client:
        assert client.execute("SELECT 1") == [(1,)]
    assert running(server.settings, "clickhouse") != record


def test_every_acknowledged_insert_survives_kills(server: Embedded) -> None:
    """Three times: four clients insert until the server is killed with -9 under them."""
    with connect(server.url) as client:
        client.execute("CREATE TABLE diary (worker UInt8, n UInt32) ENGINE = MergeTree ORDER BY (worker, n)")
    acknowledged: list[list[int]] = [[], [], [], []]

    def insert(worker: int, enough: threading.Semaphore) -> None:
        mine = acknowledged[worker]
        tried = (mine[-1] if mine else 0) + 1000
        with connect(server.url) as client:
            try:
                while True:
                    tried += 1
                    client.execute("INSERT INTO diary VALUES", [(worker, tried)] * 10)
                    mine.append(tried)
                    enough.release()
            except (Error, EOFError, OSError):
                return

    for _ in range(3):
        enough = threading.Semaphore(0)
        threads = [threading.Thread(target=insert, args=(worker, enough)) for worker in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(60):
            enough.acquire()
        server.kill()
        for thread in threads:
            thread.join()
        server.start()
    with connect(server.url) as client:
        rows = client.execute("SELECT worker, n, count() FROM diary GROUP BY worker, n")
    assert {count for _, _, count in rows} == {10}, "an insert is there whole or not at all"
    found = {(worker, n) for worker, n, _ in rows}
    missing = {(worker, n) for worker, numbers in enumerate(acknowledged) for n in numbers} - found
    assert not missing
    # At most one insert a worker and kill was in and could not be acknowledged.
    assert len(found) - sum(map(len, acknowledged)) <= 4 * 3


SINK_TABLES = {
    "readings": "read_at",
    "pieces": "read_at",
    "entries": "at",
    "commands": "at",
    "notices": "at",
    "alarms": "at",
    "refusals": "at",
    "accounts": "number",
    "meters": "number",
    "tariff_versions": "number",
}
"""Each table that the sink repeats blocks into, with a column that tells rows apart."""


def write_block(url: str, table: str, column: str, number: int) -> None:
    """Write block `number` of two rows; where the table has partitions, over a month's end, so that it makes two."""
    turn = dt.datetime(2026, 2, 1, tzinfo=dt.UTC)
    values = [turn - dt.timedelta(milliseconds=1), turn] if column != "number" else [2 * number, 2 * number + 1]
    with connect(url) as client:
        client.execute(
            f"INSERT INTO {table} (site, {column}, posting_offset) VALUES",
            [("S1", value, number) for value in values],
            settings={"insert_deduplication_token": f"sink {number}"},
        )


def rows_by_block(url: str, table: str) -> dict[int, int]:
    with connect(url) as client:
        return dict(client.execute(f"SELECT posting_offset, count() FROM {table} GROUP BY posting_offset"))


def test_repeated_block_is_dropped_by_its_token(server: Embedded) -> None:
    """Right away, after a clean start and after kill -9; a block with another token is not."""
    for table, column in SINK_TABLES.items():
        write_block(server.url, table, column, 1)
        write_block(server.url, table, column, 1)
        write_block(server.url, table, column, 2)
    server.kill()
    server.start()
    for table, column in SINK_TABLES.items():
        write_block(server.url, table, column, 2)
        write_block(server.url, table, column, 3)
    assert server.stop() == 0
    server.start()
    for table, column in SINK_TABLES.items():
        for number in (1, 2, 3):
            write_block(server.url, table, column, number)
        assert rows_by_block(server.url, table) == {1: 2, 2: 2, 3: 2}, table


def test_block_of_several_parts_is_completed_by_its_repeat(server: Embedded) -> None:
    """What a kill between two partitions leaves, seen here as a block whose half is in under the same token."""
    url = server.url
    turn = dt.datetime(2026, 2, 1, tzinfo=dt.UTC)
    with connect(url) as client:
        for rows in ([turn], [turn - dt.timedelta(milliseconds=1), turn]):
            client.execute(
                "INSERT INTO entries (site, at) VALUES",
                [("S1", at) for at in rows],
                settings={"insert_deduplication_token": "one"},
            )
        assert client.execute("SELECT count(), uniqExact(at) FROM entries") == [(2, 2)]


def test_second_server_on_the_same_data_is_refused(server: Embedded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clickhouse_server, "LOCK_S", 0.0)
    with pytest.raises(LockedError):
        clickhouse_server.main(server.settings)


def test_server_brings_its_schema_up_to_date(server: Embedded) -> None:
    assert migrate(server.url) == []
    names = [path.stem for path in sorted(MIGRATIONS.glob("*.sql"))]
    with connect(server.url) as client:
        assert client.execute("SELECT name FROM schema_migrations ORDER BY number") == [(name,) for name in names]


def test_migrations_of_a_database_of_their_own(clickhouse: str, tmp_path: Path) -> None:
    url = database(clickhouse, "migrated")
    (tmp_path / "0001_one.sql").write_text("CREATE TABLE IF NOT EXISTS one (a UInt8) ENGINE = Memory; -- done")
    assert migrate(url, tmp_path) == ["0001_one"]
    (tmp_path / "0002_two.sql").write_text("ALTER TABLE one ADD COLUMN IF NOT EXISTS b String; SELECT 1")
    with connect(url) as client:
        assert migrate(client, tmp_path) == ["0002_two"]
        assert client.execute("SELECT a, b FROM one") == []
    (tmp_path / "0001_one.sql").write_text("CREATE TABLE IF NOT EXISTS one (a UInt16) ENGINE = Memory")
    with pytest.raises(MigrationError, match="0001_one was edited"):
        migrate(url, tmp_path)


def test_broken_statement_stops_a_migration(clickhouse: str, tmp_path: Path) -> None:
    url = database(clickhouse, "broken")
    path = tmp_path / "0001_one.sql"
    path.write_text("CREATE TABLE IF NOT EXISTS one (a UInt8) ENGINE = Memory; CREATE TABLE two;")
    with pytest.raises(ServerException):
        migrate(url, tmp_path)
    path.write_text("CREATE TABLE IF NOT EXISTS one (a UInt8) ENGINE = Memory;")
    assert migrate(url, tmp_path) == ["0001_one"]
