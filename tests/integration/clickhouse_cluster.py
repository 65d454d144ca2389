"""Two embedded servers as the shards of a cluster, for tests."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from clickhouse_driver import Client

from infra.clickhouse.cluster import distributed_url
from infra.ports import HOST, free_ports
from tests.conftest import ROOT, stop_part

NAME: Final = "two"
PASSWORD: Final = "of-both"

_SHARD: Final = (
    "<shard><internal_replication>true</internal_replication><replica>"
    "<host>{host}</host><port>{port}</port><user>default</user><password>{password}</password>"
    "</replica></shard>"
)
_CONFIG: Final = "<clickhouse><remote_servers><{name}>{shards}</{name}></remote_servers></clickhouse>"


class TwoShards:
    """The servers; one that was killed can be started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = free_ports(2)
        shards = "".join(_SHARD.format(host=HOST, port=port, password=PASSWORD) for port in self._ports)
        (folder / "cluster.xml").write_text(_CONFIG.format(name=NAME, shards=shards))
        self.servers = [self.start(index) for index in range(2)]

    def start(self, index: int) -> subprocess.Popen[str]:
        """Start a server and wait until it serves."""
        data = self._folder / f"shard{index}"
        arguments = [str(data), str(self._ports[index]), str(self._folder / "cluster.xml")]
        with (self._folder / f"shard{index}.log").open("a") as log:
            server = subprocess.Popen(
                [sys.executable, "-m", "tests.integration.cluster_node", *arguments],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n", (self._folder / f"shard{index}.log").read_text()[-3000:]
        return server

    def kill(self, index: int) -> None:
        """With -9."""
        with self.servers[index] as server:
            server.kill()

    def start_again(self, index: int) -> None:
        """Start a server that was killed."""
        self.servers[index] = self.start(index)

    def url(self, index: int = 0, database: str = "sluice") -> str:
        """The address of a database on one of the servers."""
        return f"clickhouse://default:{PASSWORD}@{HOST}:{self._ports[index]}/{database}"

    def gathered(self, index: int = 0) -> str:
        """The address, on one of the servers, of a database whose views give all rows of the Distributed tables.

        The engine of the embedded server answers for a shard with rows, not with the states of unfinished sums, which
        a server asks others for where it sums up a Distributed table itself. Behind two queries it sums up rows.
        """
        for each in range(2):
            with Client.from_url(self.url(each)) as client:
                made: Any = client.execute("SELECT name FROM system.tables WHERE database = currentDatabase()")
                client.execute("CREATE DATABASE IF NOT EXISTS gathered")
                for (table,) in made:
                    rows = f"SELECT * FROM (SELECT * FROM sluice.{table})"
                    client.execute(f"CREATE OR REPLACE VIEW gathered.{table} AS {rows}")
        return distributed_url(self.url(index, "gathered"))

    def close(self) -> None:
        """End both."""
        for server in self.servers:
            stop_part(server)


@contextmanager
def two_shards(folder: Path) -> Iterator[TwoShards]:
    """Two servers without a schema yet, for as long as the context lasts."""
    shards = TwoShards(folder)
    try:
        yield shards
    finally:
        shards.close()
