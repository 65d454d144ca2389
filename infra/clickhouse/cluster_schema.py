"""The schema on a cluster: the migrations of a single server on every node, and Distributed tables over them.

`<database>_shard` on a node is what `<database>` is on a single server, views and projections included, with the rows
of its shard's sites. `<database>` holds nothing: for each table and view of the shards it has a Distributed table of
that name, through which all shards answer. As no site lies on two shards, a shard's views are right by themselves.

Nothing is done `ON CLUSTER`: each server keeps its own record of what was applied. The replicas of a shard take each
statement together, since one that made a table in an old form could not join those that have changed it; so one that
was away, or is new, first gets its tables as the furthest of the others has them.
"""

import re
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from clickhouse_driver import Client
from clickhouse_driver.errors import Error

from infra.clickhouse.cluster import SHARDING, Cluster, ClusterError, change_url, node_url, read_cluster, shard_database
from infra.clickhouse.migrate import (
    MIGRATIONS,
    MIGRATIONS_TABLE,
    Migration,
    apply_migrations,
    create_database,
    note_applied,
    read_migrations,
    seen_migrations,
    server_url,
)

_log = structlog.get_logger(__name__)

_CREATED: Final = re.compile(r"\s*CREATE TABLE IF NOT EXISTS (\w+)")
_ENGINE: Final = re.compile(r"\bENGINE = (\w*MergeTree)(?:\(([^)]*)\))?")
_DROPPED: Final = re.compile(r"\s*DROP TABLE\b")
_WINDOW: Final = re.compile(r"\bnon_replicated_deduplication_window = (\d+)")

_VIEW: Final = re.compile(r"CREATE (?:OR REPLACE )?VIEW\b")

_YEARS_S: Final = 10 * 365 * 86400

_COLUMNS: Final = (
    "SELECT name, groupArray((column, type)) FROM"
    " (SELECT table AS name, name AS column, type FROM system.columns WHERE database = %(database)s"
    " ORDER BY table, position) GROUP BY name ORDER BY name"
)
_TABLES: Final = (
    f"SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name != '{MIGRATIONS_TABLE}'"
    " AND engine LIKE '%MergeTree' ORDER BY name"
)
_DISTRIBUTED: Final = (
    "SELECT name, engine_full FROM system.tables WHERE database = %(database)s AND engine = 'Distributed'"
)


def replicated(statement: str, database: str) -> str:
    """A statement of a migration for a shard with several servers: the same, its tables replicated.

    >>> print(replicated("CREATE TABLE IF NOT EXISTS t (n Int8) ENGINE = ReplacingMergeTree(n) ORDER BY n", "d"))
    CREATE TABLE IF NOT EXISTS t (n Int8) \
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/d/t', '{replica}', n) ORDER BY n

    Args:
        database: In which the tables are; with the table's name and the server's macros it names them in Keeper.
    """
    if _DROPPED.match(statement):
        # Or its name in Keeper would be free for the next table only some minutes later.
        return f"{statement} SYNC"
    created = _CREATED.match(statement)
    if created is None:
        return statement
    path = f"/clickhouse/tables/{{shard}}/{database}/{created[1]}"

    def engine(match: re.Match[str]) -> str:
        more = f", {match[2]}" if match[2] else ""
        return f"ENGINE = Replicated{match[1]}('{path}', '{{replica}}'{more})"

    def window(match: re.Match[str]) -> str:
        # By default a replicated table forgets tokens after an hour or a week; the sink counts on their number.
        return f"replicated_deduplication_window = {match[1]}, replicated_deduplication_window_seconds = {_YEARS_S}"

    return _WINDOW.sub(window, _ENGINE.sub(engine, statement))


def distributed(table: str, *, has_site: bool, cluster: str, database: str) -> str:
    """The statement that makes the Distributed table over a table or view of the shards.

    >>> print(distributed("readings", has_site=True, cluster="c", database="d"))
    CREATE OR REPLACE TABLE `d`.`readings` AS `d_shard`.`readings` \
ENGINE = Distributed('c', 'd_shard', 'readings', cityHash64(site))

    Args:
        has_site: Rows without a site, such as the sink's own records, lie on the first shard.
    """
    shards = shard_database(database)
    return (
        f"CREATE OR REPLACE TABLE `{database}`.`{table}` AS `{shards}`.`{table}`"
        f" ENGINE = {_distributed_engine(table, has_site=has_site, cluster=cluster, database=database)}"
    )


def _distributed_engine(table: str, *, has_site: bool, cluster: str, database: str) -> str:
    key = SHARDING if has_site else "0"
    return f"Distributed('{cluster}', '{shard_database(database)}', '{table}', {key})"


def migrate_cluster(url: str, name: str, folder: Path = MIGRATIONS) -> list[str]:
    """Bring the servers of a cluster to the newest schema; doing so again changes nothing.

    A server that cannot be reached is told in the log and left for the next start, if another of its shard is there.

    Args:
        url: `clickhouse://user:password@host:port/database` of any server of the cluster.
        name: Of the cluster, in the servers' configuration.
    Returns:
        The servers that were reached, host:port.
    Raises:
        ClusterError: There is no such cluster, or nobody of a shard was reached.
        MigrationError: As of `migrate`.
        clickhouse_driver.errors.Error: A server refuses a statement.
    """
    with Client.from_url(server_url(url)) as client:
        cluster = read_cluster(client, name)
    return [
        place
        for number, shard in enumerate(cluster.shards, start=1)
        for place in _migrate_shard(url, cluster, number, shard.replicas, folder)
    ]


def _migrate_shard(url: str, cluster: Cluster, number: int, replicas: tuple[str, ...], folder: Path) -> list[str]:
    database = urlsplit(url).path.strip("/")
    shards = shard_database(database)
    reached = [place for place in replicas if _is_there(node_url(url, place))]
    if not reached:
        raise ClusterError(f"no server of shard {number} of {cluster.name} can be reached: {', '.join(replicas)}")
    migrations = read_migrations(folder)
    with ExitStack() as stack:
        clients = []
        for place in reached:
            with Client.from_url(server_url(node_url(url, place))) as server:
                create_database(server, shards)
                create_database(server, database)
            clients.append(stack.enter_context(Client.from_url(change_url(url, place))))
        level_schema(clients, migrations)
        render = partial(replicated, database=shards) if cluster.is_replicated else str
        apply_migrations(clients, migrations, render)
        for client in clients:
            _distribute(client, cluster.name, database)
    return reached


def level_schema(clients: Sequence[Any], migrations: Sequence[Migration]) -> None:
    """Give the servers of a shard that lack migrations the schema of the one that has most.

    Tables that a server lacks are made as that one has them; what changed in those that it has, replication brings.
    """
    seen = [seen_migrations(client, migrations) for client in clients]
    furthest = max(seen, key=len)
    ahead = clients[seen.index(furthest)]
    for client, numbers in zip(clients, seen, strict=True):
        if numbers == furthest:
            continue
        for (made,) in ahead.execute(_TABLES):
            client.execute(made.replace("CREATE TABLE ", "CREATE TABLE IF NOT EXISTS ", 1))
        for migration in migrations:
            if migration.number in furthest:
                for statement in filter(_VIEW.match, migration.statements()):
                    client.execute(statement)
        for migration in migrations:
            if migration.number in furthest - numbers:
                note_applied(client, migration)


def _is_there(url: str) -> bool:
    client = Client.from_url(server_url(url))
    try:
        client.execute("SELECT 1")
    except (OSError, EOFError, Error) as error:
        if isinstance(error, Error) and not _is_away(error):
            raise
        parts = urlsplit(url)
        _log.warning("a server of the cluster is away", host=parts.hostname, port=parts.port, error=str(error))
        return False
    else:
        return True
    finally:
        client.disconnect()


def _is_away(error: Error) -> bool:
    return error.code in (209, 210)  # timeout, network


def _distribute(client: Any, cluster: str, database: str) -> None:
    """Make the Distributed tables that are missing or have other columns than the shard's tables.

    Raises:
        ClusterError: There are tables of these names that hold rows themselves.
    """
    made = dict(client.execute(_COLUMNS, {"database": database}))
    engines = dict(client.execute(_DISTRIBUTED, {"database": database}))
    wanted = client.execute(_COLUMNS, {"database": shard_database(database)})
    if own := [table for table, _ in wanted if table != MIGRATIONS_TABLE and table in made and table not in engines]:
        raise ClusterError(
            f"the database {database} holds rows of a single server ({', '.join(own)}): name another for the cluster"
        )
    for table, columns in wanted:
        has_site = any(column == "site" for column, _ in columns)
        engine = _distributed_engine(table, has_site=has_site, cluster=cluster, database=database)
        if table != MIGRATIONS_TABLE and (made.get(table) != columns or not engines[table].startswith(engine)):
            client.execute(distributed(table, has_site=has_site, cluster=cluster, database=database))
