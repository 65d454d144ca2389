"""Tests that the embedded server passes, with a ClickHouse that others wrote: Debian's `clickhouse-server` 18.16.

So they test ClickHouse's protocol, and not what both ends here make of it. Left out is what so old a version does not
know (most types and functions of the years since) or does otherwise (garbage). `infra/setup.sh test-tools` installs it.
"""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from clickhouse_driver import Client
from clickhouse_driver.errors import ServerException

from infra.ports import HOST, free_ports
from tests.integration.clickhouse_lines import RawLine, connect, data_head
from tests.integration.test_clickhouse_load import test_sixteen_clients_at_once
from tests.integration.test_clickhouse_protocol import (
    test_cancel_on_the_heels_of_the_query,
    test_connection_outlives_errors,
    test_driver_cancels_and_goes_on,
    test_external_tables_are_there_for_one_query,
)
from tests.integration.test_clickhouse_types import CASES

__all__ = [
    "test_cancel_on_the_heels_of_the_query",
    "test_connection_outlives_errors",
    "test_driver_cancels_and_goes_on",
    "test_external_tables_are_there_for_one_query",
    "test_sixteen_clients_at_once",
]

UNKNOWN_TYPES = ("Int128", "UInt256", "Bool", "IP", "Date32", "DateTime64", "Low", "Map", "Nested", "Simple")
KNOWN = [case for case in CASES if not case[0].startswith(UNKNOWN_TYPES) and case[0] != "Decimal(76, 2)"]

PASSWORD = "of the old server"
CONFIG = """<yandex>
<logger><level>information</level><console>1</console></logger>
<listen_host>{host}</listen_host><tcp_port>{port}</tcp_port>
<path>{folder}/data/</path><tmp_path>{folder}/tmp/</tmp_path><mark_cache_size>67108864</mark_cache_size>
<users_config>users.xml</users_config><default_profile>default</default_profile>
<default_database>default</default_database>
</yandex>
"""
USERS = """<yandex>
<profiles><default/></profiles><quotas><default/></quotas>
<users><default><password>{password}</password><networks><ip>{host}</ip></networks>
<profile>default</profile><quota>default</quota></default></users>
</yandex>
"""


@pytest.fixture(scope="module")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of Debian's server, in place of the session's."""
    program = shutil.which("clickhouse-server", path="/usr/bin:/usr/sbin")
    if program is None:
        pytest.skip("there is no clickhouse-server: infra/setup.sh test-tools installs it")
    folder, port = tmp_path_factory.mktemp("old"), free_ports(1)[0]
    (folder / "config.xml").write_text(CONFIG.format(host=HOST, port=port, folder=folder))
    (folder / "users.xml").write_text(USERS.format(host=HOST, password=PASSWORD))
    command = [program, f"--config-file={folder}/config.xml"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        told = []
        for line in server.stderr:
            told.append(line)
            if "Ready for connections" in line:
                break
        else:
            pytest.fail(f"clickhouse-server ended before it was ready:\n{''.join(told)}")
        # What it goes on to tell has to be taken, or it waits for ever.
        threading.Thread(target=server.stderr.read, daemon=True).start()
        try:
            yield f"clickhouse://default:{PASSWORD.replace(' ', '%20')}@{HOST}:{port}/default"
        finally:
            server.terminate()


@pytest.fixture(scope="module")
def url(clickhouse: str) -> str:
    with connect(clickhouse) as client:
        client.execute("CREATE DATABASE old")
    return urlsplit(clickhouse)._replace(path="/old").geturl()


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with connect(url) as client:
        yield client


@pytest.mark.parametrize("compression", [False, "lz4"], ids=["plain", "lz4"])
def test_types_there_and_back(url: str, compression: str | bool) -> None:
    columns = ", ".join(f"c{n} {kind}" for n, (kind, _) in enumerate(KNOWN))
    rows: list[tuple[Any, ...]] = [(n, *(values[n % len(values)] for _, values in KNOWN)) for n in range(1000)]
    with connect(url, compression=compression) as client:
        client.execute("DROP TABLE IF EXISTS wide")
        client.execute(f"CREATE TABLE wide (n UInt32, {columns}) ENGINE = MergeTree ORDER BY n")
        client.execute("INSERT INTO wide VALUES", rows)
        found, described = client.execute("SELECT * FROM wide ORDER BY n", with_column_types=True)
    assert found == rows
    assert [kind for _, kind in described[1:]] == [kind for kind, _ in KNOWN]
    assert len(KNOWN) > 20


@pytest.mark.parametrize(
    ("sql", "code"),
    [("SELEC 1", 62), ("SELECT * FROM nothing", 60), ("SELECT intDiv(1, 0)", 153), ("SELECT unknown(1)", 46)],
    ids=["syntax", "table", "division", "function"],
)
def test_errors_have_their_codes(client: Client, sql: str, code: int) -> None:
    with pytest.raises(ServerException) as refused:
        client.execute(sql)
    assert refused.value.code == code
    assert client.execute("SELECT 1") == [(1,)]


def test_client_that_goes_away_amid_an_insert_leaves_nothing(url: str, client: Client) -> None:
    client.execute("CREATE TABLE half (a UInt8) ENGINE = MergeTree ORDER BY a")
    with RawLine(url) as line:
        line.hello()
        line.query("INSERT INTO half VALUES")
        line.send(data_head()[:3])
        line.reset()
    client.execute("INSERT INTO half VALUES", [(7,)])
    assert client.execute("SELECT a FROM half") == [(7,)]
