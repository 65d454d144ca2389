"""The database as the sink needs it, where it is a cluster: every shard's own tables, written by the sink itself.

A row goes to the shard of its site, where Distributed tables look for it. An insert lies on one shard, in one partition
of one table, so it stays what exactly once rests on: there as a whole or not at all. Claims, positions and whatever
else has no site are on the first shard.
"""

from collections.abc import Mapping
from typing import Any

from clickhouse_driver import Client

from infra.clickhouse.cluster import read_cluster
from sinks.clickhouse.blocks import Block, Claim
from sinks.clickhouse.journal import LedgerBatch
from sinks.clickhouse.registry import Registry
from sinks.clickhouse.tables import TableRows
from sinks.clickhouse.writer import ClickHouseStore, away
from sinks.errors import SinkError


class ShardedStore:
    """`Store` on the shards of a cluster; after an `AwayError` a new one is needed.

    Args:
        url: `clickhouse://user:password@host:port/database` of any server of the cluster.
        cluster: Its name in the server's configuration.
        sink: The name under which blocks and positions are recorded.
    Raises:
        ClusterError: The server knows no such cluster.
        SchemaError: A shard has not the tables that the sink writes.
        AwayError: A shard cannot be reached.
    """

    def __init__(self, url: str, cluster: str, *, sink: str) -> None:
        client: Any = Client.from_url(url)
        try:
            with away():
                known = read_cluster(client, cluster)
        finally:
            client.disconnect()
        self.shard_of = known.shard_of
        self._shards: list[ClickHouseStore] = []
        try:
            for index in range(len(known.shards)):
                self._shards.append(ClickHouseStore(known.shard_url(url, index), sink=sink))
        except SinkError:
            self.close()
            raise

    def close(self) -> None:
        """Leave the servers."""
        for shard in self._shards:
            shard.close()

    def registry(self) -> Registry:
        """Everything that blocks so far introduced."""
        registry = Registry()
        for shard in self._shards:
            shard.registry(registry)
        return registry

    def claims(self, *, after: int) -> list[Claim]:
        """See `Store.claims`."""
        return self._shards[0].claims(after=after)

    def add_claim(self, claim: Claim, *, token: str) -> None:
        """See `Store.add_claim`."""
        self._shards[0].add_claim(claim, token=token)

    def finished(self) -> tuple[int, dict[int, int]]:
        """See `Store.finished`."""
        return self._shards[0].finished()

    def batches(self, positions: Mapping[int, int]) -> dict[int, LedgerBatch]:
        """See `Store.batches`."""
        last: dict[int, tuple[int, LedgerBatch]] = {}
        for shard in self._shards:
            for partition, (offset, batch) in shard.placed_batches(positions).items():
                if partition not in last or offset > last[partition][0]:
                    last[partition] = offset, batch
        return {partition: batch for partition, (_, batch) in last.items()}

    def rows_to(self, positions: Mapping[int, int], *, in_order: bool) -> dict[int, int]:
        """See `Store.rows_to`."""
        ends: dict[int, int] = {}
        for shard in self._shards:
            for partition, end in shard.rows_to(positions, in_order=in_order).items():
                ends[partition] = max(end, ends.get(partition, 0))
        return ends

    def finish(self, block: Block, *, token: str) -> None:
        """See `Store.finish`."""
        self._shards[0].finish(block, token=token)

    def count(self, block: Block, rows: TableRows) -> int:
        """See `Store.count`."""
        return self._shards[rows.shard].count(block, rows)

    def insert(self, rows: TableRows, *, token: str) -> None:
        """See `Store.insert`."""
        self._shards[rows.shard].insert(rows, token=token)

    def remove(self, block: Block, rows: TableRows) -> None:
        """See `Store.remove`."""
        self._shards[rows.shard].remove(block, rows)
