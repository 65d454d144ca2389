"""The embedded server with many clients, dying clients and big inserts."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest
from clickhouse_driver import Client

from infra.clickhouse.protocol import ClientPacket, ServerPacket
from infra.clickhouse.writer import text, varint
from infra.endpoints import read_record
from infra.settings import Settings
from tests.conftest import ROOT
from tests.integration.clickhouse_lines import (
    RawLine,
    connect,
    data_head,
    database,
    wait_until_over,
    wait_until_running,
)

CLIENTS = 16


@pytest.fixture(scope="module")
def url(clickhouse: str) -> str:
    return database(clickhouse, "busy")


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with connect(url) as client:
        yield client


def test_sixteen_clients_at_once(url: str, client: Client) -> None:
    client.execute("CREATE TABLE shared (worker UInt8, n UInt32) ENGINE = MergeTree ORDER BY (worker, n)")
    rounds, rows = 5, 1000

    def work(worker: int) -> int:
        with connect(url, compression=bool(worker % 2)) as mine:
            for round_ in range(rounds):
                first = round_ * rows
                mine.execute("INSERT INTO shared VALUES", [(worker, first + n) for n in range(rows)])
                found = mine.execute("SELECT n FROM shared WHERE worker = %(worker)s ORDER BY n", {"worker": worker})
                assert found == [(n,) for n in range(first + rows)]
            return int(mine.execute("SELECT sum(number) FROM numbers(%(n)s)", {"n": worker + 1})[0][0])

    with ThreadPoolExecutor(CLIENTS) as pool:
        assert list(pool.map(work, range(CLIENTS))) == [n * (n + 1) // 2 for n in range(CLIENTS)]
    assert client.execute("SELECT count(), uniqExact(worker) FROM shared") == [(CLIENTS * rounds * rows, CLIENTS)]


@pytest.mark.parametrize("compression", [False, "lz4"], ids=["plain", "lz4"])
def test_big_insert_and_select(url: str, client: Client, compression: str | bool) -> None:
    rows = 2_000_000
    client.execute("CREATE OR REPLACE TABLE big (n UInt64, at DateTime64(3, 'UTC'), s String) ENGINE = Memory")
    number = np.arange(rows, dtype="u8")
    names = np.array([f"name {n}" for n in range(1000)], dtype=object)[number % 1000]
    columns = [number, number.astype("datetime64[ms]"), names]
    with connect(url, compression=compression, settings={"use_numpy": True}) as writer:
        assert writer.execute("INSERT INTO big VALUES", columns, columnar=True) == rows
        assert client.execute("SELECT count(), sum(n), uniqExact(s) FROM big") == [(rows, rows * (rows - 1) // 2, 1000)]
        found = writer.execute("SELECT n, s FROM big", columnar=True)
    assert int(found[0].sum()) == rows * (rows - 1) // 2
    assert len(found[1]) == rows
    client.execute("DROP TABLE big SYNC")


def test_rows_of_an_insert_are_not_kept_in_memory(url: str, client: Client, settings: Settings) -> None:
    """256 MB of rows come in; until they are all there, the server grows by little more than its buffers."""
    if settings.clickhouse:
        pytest.skip("looks into the embedded server's process")
    record = read_record(settings, "clickhouse")
    assert record is not None
    server = psutil.Process(record.pid)
    client.execute("CREATE OR REPLACE TABLE wide (s FixedString(256)) ENGINE = Null")
    rows = 16384
    block = varint(1) + varint(rows) + text("s") + text("FixedString(256)") + bytes(256 * rows)
    with RawLine(url) as line:
        line.hello()
        line.query("INSERT INTO wide VALUES")
        answer = line.answer()
        assert next(answer) == ServerPacket.DATA
        before = server.memory_info().rss
        for _ in range(64):
            line.send(data_head(), block)
        grown = server.memory_info().rss - before
        line.send(data_head(), b"\0\0")
        assert list(answer)[-1] == ServerPacket.END_OF_STREAM
    assert grown < 64 << 20


def test_client_that_goes_away_takes_its_query_along(url: str, client: Client) -> None:
    sql = "SELECT count() FROM numbers(2000000000000)"
    with RawLine(url) as line:
        line.hello()
        line.query(sql)
        wait_until_running(client, sql)
        line.reset()
    wait_until_over(client, sql)


def test_client_that_does_not_read_its_answer_goes_away(url: str, client: Client) -> None:
    sql = "SELECT number, repeat('x', 100) FROM numbers(2000000000000)"
    with RawLine(url) as line:
        line.hello()
        line.query(sql)
        wait_until_running(client, sql)
        assert ServerPacket.DATA in line.answer()
        line.reset()
    wait_until_over(client, sql)


@pytest.mark.parametrize("part", [0, 1, 2, 3], ids=["no block", "some blocks", "half a block", "cancelled"])
def test_client_that_goes_away_amid_an_insert_leaves_nothing(url: str, client: Client, part: int) -> None:
    client.execute("CREATE OR REPLACE TABLE half (a UInt64) ENGINE = MergeTree ORDER BY a")
    block = varint(1) + varint(1000) + text("a") + text("UInt64") + bytes(8000)
    with RawLine(url) as line:
        line.hello()
        line.query("INSERT INTO half VALUES")
        answer = line.answer()
        assert next(answer) == ServerPacket.DATA
        if part:
            line.send((data_head() + block) * 10)
        if part == 2:
            line.send(data_head() + block[:100])
        if part == 3:
            line.send(varint(ClientPacket.CANCEL))
            assert list(answer) == [ServerPacket.END_OF_STREAM]
        line.reset()
    assert client.execute("SELECT count() FROM half") == [(0,)]


def test_killed_client_process(url: str, client: Client) -> None:
    """A real process, killed with -9 while it inserts: what was acknowledged to it is there."""
    client.execute("CREATE OR REPLACE TABLE diary (n UInt64) ENGINE = MergeTree ORDER BY n")
    script = (
        "import sys\n"
        "from tests.integration.clickhouse_lines import connect\n"
        "client = connect(sys.argv[1])\n"
        "for n in range(10**9):\n"
        "    client.execute('INSERT INTO diary VALUES', [(n,)])\n"
        "    print(n, flush=True)\n"
    )
    command = [sys.executable, "-c", script, url]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        acknowledged = [int(process.stdout.readline()) for _ in range(20)]
        process.kill()
        acknowledged += [int(line) for line in process.stdout]
    found = [row[0] for row in client.execute("SELECT n FROM diary ORDER BY n")]
    assert found[: len(acknowledged)] == acknowledged
    assert len(found) <= len(acknowledged) + 1
