"""Shards, addresses, and the schema of a cluster as text."""

import re
from collections import Counter
from typing import Any

import pytest

from infra.clickhouse.cluster import Cluster, ClusterError, Shard, read_cluster
from infra.clickhouse.cluster_schema import distributed, replicated
from infra.clickhouse.migrate import read_migrations

URL = "clickhouse://u:p%40ss@any:9000/sluice?compression=lz4"
ONE_EACH = Cluster("c", (Shard(1, ("a:9000",)), Shard(1, ("b:9000",))))
REPLICATED = Cluster("c", (Shard(1, ("a:9000", "a2:9000", "a3:9000")), Shard(3, ("b:9000", "b2:9000", "b3:9000"))))

STATEMENTS = [statement for migration in read_migrations() for statement in migration.statements()]
CREATED = [statement for statement in STATEMENTS if statement.startswith("CREATE TABLE")]
OTHERS = [statement for statement in STATEMENTS if not statement.startswith(("CREATE TABLE", "DROP TABLE"))]


class Server:
    """Answers as a server whose configuration names clusters."""

    def __init__(self, *rows: tuple[int, int, str, int]) -> None:
        self.rows = rows

    def execute(self, sql: str, parameters: dict[str, Any]) -> list[tuple[int, int, str, int]]:
        assert parameters == {"cluster": "c"}
        return list(self.rows)


def test_a_cluster_is_as_the_server_has_it() -> None:
    server = Server((1, 1, "a", 9000), (1, 1, "::1", 9000), (3, 2, "b", 9001))
    assert read_cluster(server, "c") == Cluster("c", (Shard(1, ("a:9000", "[::1]:9000")), Shard(2, ("b:9001",))))


def test_a_cluster_that_the_server_does_not_know() -> None:
    with pytest.raises(ClusterError, match="no cluster c"):
        read_cluster(Server(), "c")


def test_sites_go_to_shards_by_weight() -> None:
    cluster = Cluster("c", (Shard(1, ("a:1",)), Shard(3, ("b:1",)), Shard(0, ("full:1",))))
    count = Counter(cluster.shard_of(f"S{number}") for number in range(4000))
    assert set(count) == {0, 1}
    assert 2.5 < count[1] / count[0] < 3.5


def test_a_shard_without_replicas_is_reached_as_it_is() -> None:
    assert not ONE_EACH.is_replicated
    assert ONE_EACH.shard_url(URL, 1) == "clickhouse://u:p%40ss@b:9000/sluice_shard?compression=lz4"


def test_a_shard_with_replicas_is_reached_by_any_of_them() -> None:
    assert REPLICATED.is_replicated
    assert REPLICATED.shard_url(URL, 1) == (
        "clickhouse://u:p%40ss@b:9000/sluice_shard?compression=lz4&insert_quorum=auto&insert_quorum_parallel=0"
        "&select_sequential_consistency=1&alt_hosts=b2:9000,b3:9000"
    )


def test_every_table_of_the_migrations_is_replicated_and_else_the_same() -> None:
    assert len(CREATED) > 15
    for statement in CREATED:
        (name,) = re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", statement)
        made = replicated(statement, "d_shard")
        assert f"MergeTree('/clickhouse/tables/{{shard}}/d_shard/{name}', '{{replica}}'" in made
        assert "non_replicated" not in made
        back = re.sub(r"Replicated(\w*MergeTree)\('[^']*', '\{replica\}'(?:, (\w+))?\)", _single, made)
        back = re.sub(r"replicated_(deduplication_window = \d+), replicated_\w+ = \d+", r"non_replicated_\1", back)
        assert back == statement


def _single(match: re.Match[str]) -> str:
    return f"{match[1]}({match[2]})" if match[2] else match[1]


def test_tables_that_keep_tokens_keep_as_many_and_for_years() -> None:
    kept = [statement for statement in CREATED if "deduplication_window" in statement]
    assert len(kept) > 10
    for statement in kept:
        made = replicated(statement, "d")
        assert "SETTINGS replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 3" in made


def test_a_dropped_table_leaves_its_name_in_keeper_at_once() -> None:
    dropped = [statement for statement in STATEMENTS if statement.startswith("DROP TABLE")]
    assert [replicated(statement, "d") for statement in dropped] == [f"{statement} SYNC" for statement in dropped]


def test_all_else_is_the_same_on_a_cluster() -> None:
    assert OTHERS
    assert [replicated(statement, "d") for statement in OTHERS] == OTHERS


def test_a_table_without_sites_lies_on_the_first_shard() -> None:
    assert distributed("sink_positions", has_site=False, cluster="c", database="d") == (
        "CREATE OR REPLACE TABLE `d`.`sink_positions` AS `d_shard`.`sink_positions`"
        " ENGINE = Distributed('c', 'd_shard', 'sink_positions', 0)"
    )
