"""A cluster of ClickHouse servers: its shards, and which of them a site's rows lie on."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final
from urllib.parse import urlencode, urlsplit, urlunsplit

from clickhouse_cityhash.cityhash import CityHash64

from infra.errors import InfraError

SHARDING: Final = "cityHash64(site)"
"""The sharding key, which `Cluster.shard_of` reckons as well: all rows of a site lie on one shard, so that what is
joined or summed up within a site is whole there."""

_NODES: Final = (
    "SELECT shard_num, shard_weight, host_name, port FROM system.clusters WHERE cluster = %(cluster)s"
    " ORDER BY shard_num, replica_num"
)

# An insert is acknowledged when most replicas have it, and whoever asks next sees it, whichever replica answers.
_OF_REPLICAS: Final = {"insert_quorum": "auto", "insert_quorum_parallel": "0", "select_sequential_consistency": "1"}

# What a query joins or looks up comes from all shards; an insert is done when it is answered.
_OF_DISTRIBUTED_TABLES: Final = {"distributed_product_mode": "global", "insert_distributed_sync": "1"}

# A change is over when all replicas that are there have it: the next one would else be asked for what it is about to
# get, and refuse.
_OF_CHANGES: Final = {"alter_sync": "2", "replication_wait_for_inactive_replica_timeout": "0"}


class ClusterError(InfraError):
    """The servers know no such cluster, or none of a shard can be reached."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Servers with the same rows, each as host:port; `weight` is its share of the sites."""

    weight: int
    replicas: tuple[str, ...]


@dataclass(frozen=True)
class Cluster:
    """The shards of a cluster, in the order of ClickHouse's configuration (`remote_servers`)."""

    name: str
    shards: tuple[Shard, ...]

    @property
    def is_replicated(self) -> bool:
        """Whether tables are replicated: where any shard has more than one server."""
        return any(len(shard.replicas) > 1 for shard in self.shards)

    def shard_of(self, site: str) -> int:
        """Index of the shard that a Distributed table with the key `SHARDING` sends a site's rows to."""
        return self._slots[int(CityHash64(site.encode())) % len(self._slots)]

    @cached_property
    def _slots(self) -> list[int]:
        return [index for index, shard in enumerate(self.shards) for _ in range(shard.weight)]

    def shard_url(self, url: str, index: int) -> str:
        """The address of a shard's own database, by any of its replicas, for a client of clickhouse-driver.

        Args:
            url: The cluster's address: its user, password and settings hold on all servers.
        """
        first, *others = self.shards[index].replicas
        more = dict(_OF_REPLICAS) if self.is_replicated else {}
        if others:
            more["alt_hosts"] = ",".join(others)
        return node_url(url, first, more)


def read_cluster(client: Any, name: str) -> Cluster:
    """A cluster as a server's configuration has it.

    Args:
        client: Of clickhouse-driver.
    Raises:
        ClusterError: The server knows no such cluster.
    """
    shards: dict[int, Shard] = {}
    for number, weight, host, port in client.execute(_NODES, {"cluster": name}):
        before = shards[number].replicas if number in shards else ()
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        shards[number] = Shard(weight, (*before, place))
    if not any(shard.weight for shard in shards.values()):
        raise ClusterError(f"the server knows no cluster {name}: its configuration (remote_servers) names the clusters")
    return Cluster(name, tuple(shards.values()))


def distributed_url(url: str) -> str:
    """A cluster's address with the settings that Distributed tables need.

    >>> distributed_url("clickhouse://u:p@a:9000/sluice")
    'clickhouse://u:p@a:9000/sluice?distributed_product_mode=global&insert_distributed_sync=1'
    """
    return _with_settings(url, _OF_DISTRIBUTED_TABLES)


def shard_database(database: str) -> str:
    """The database that holds a shard's own rows, on each of its servers.

    >>> shard_database("sluice")
    'sluice_shard'
    """
    return f"{database}_shard"


def node_url(url: str, place: str, more: Mapping[str, str] | None = None) -> str:
    """The address of the shard's database on one server of a cluster, host:port.

    >>> node_url("clickhouse://u:p@a:9000/sluice?x=1", "b:9001")
    'clickhouse://u:p@b:9001/sluice_shard?x=1'
    """
    parts = urlsplit(url)
    login = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    path = f"/{shard_database(parts.path.strip('/'))}"
    return _with_settings(urlunsplit(parts._replace(netloc=login + place, path=path)), more or {})


def change_url(url: str, place: str) -> str:
    """As `node_url`, for changes of the schema."""
    return node_url(url, place, _OF_CHANGES)


def _with_settings(url: str, settings: Mapping[str, str]) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query="&".join(filter(None, [parts.query, urlencode(settings, safe=":,[]")]))))
