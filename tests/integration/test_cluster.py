"""A cluster of two shards: the schema of one source, the sink's rows by site, and the same answers as of one server."""

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
from clickhouse_driver import Client

from analytics.audit import audit
from analytics.period import Period
from analytics.question import Question
from analytics.reports.arrears import arrears
from analytics.reports.energy_finance import energy_and_finance
from analytics.reports.events import commands
from analytics.reports.usage import usage
from infra.clickhouse.cluster import ClusterError, read_cluster
from infra.clickhouse.cluster_schema import level_schema, migrate_cluster
from infra.clickhouse.migrate import apply_migrations, migrate, read_migrations
from tests.integration.clickhouse_cluster import NAME, TwoShards, two_shards
from tests.integration.clickhouse_places import own_database
from tests.ledger_history import History, lines_of
from tests.model.generator import generate

SEEDS = range(8)
PERIOD = Period(date(2026, 1, 5), date(2027, 1, 1))


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoShards]:
    with two_shards(tmp_path_factory.mktemp("shards")) as shards:
        assert len(migrate_cluster(shards.url(), NAME)) == 2
        yield shards


@pytest.fixture(scope="module")
def history() -> History:
    history = History()
    for seed in SEEDS:
        history.take(seed % 3, lines_of(generate(seed), prefix=f"{seed}-"), size=7)
    return history


@pytest.fixture(scope="module")
def both(shards: TwoShards, history: History, clickhouse: str) -> Iterator[tuple[Any, Any]]:
    """The history on the cluster, asked through its second server, and on a single server."""
    history.write(shards.url(), block=50, cluster=NAME)
    with own_database(clickhouse, "single") as url:
        history.write(url, block=50)
        with Client.from_url(shards.gathered(1)) as cluster, Client.from_url(url) as single:
            yield cluster, single


def test_each_server_has_the_schema_of_a_single_one(shards: TwoShards) -> None:
    names = [migration.name for migration in read_migrations()]
    for index in range(2):
        with Client.from_url(shards.url(index, "sluice_shard")) as client:
            applied = client.execute("SELECT name FROM schema_migrations ORDER BY number")
            assert [name for (name,) in applied] == names
            distributed = client.execute(
                "SELECT name FROM system.tables WHERE database = 'sluice' AND engine = 'Distributed' ORDER BY name"
            )
            tables = client.execute(
                "SELECT name FROM system.tables WHERE database = 'sluice_shard' AND name != 'schema_migrations'"
                " ORDER BY name"
            )
            assert distributed == tables


def test_a_second_start_changes_nothing(shards: TwoShards) -> None:
    made = "SELECT name, uuid, metadata_modification_time FROM system.tables WHERE startsWith(database, 'sluice')"
    with Client.from_url(shards.url()) as client:
        before = client.execute(f"{made} ORDER BY database, name")
        migrate_cluster(shards.url(1), NAME)
        assert client.execute(f"{made} ORDER BY database, name") == before


def test_a_table_whose_columns_have_changed_is_made_anew(shards: TwoShards) -> None:
    with Client.from_url(shards.url(0, "sluice_shard")) as client:
        client.execute("ALTER TABLE alarms ADD COLUMN more UInt8")
        migrate_cluster(shards.url(), NAME)
        assert "more" in {name for name, *_ in client.execute("DESCRIBE TABLE sluice.alarms")}
        client.execute("ALTER TABLE alarms DROP COLUMN more")
        migrate_cluster(shards.url(), NAME)


def test_the_rows_of_a_site_lie_where_distributed_tables_look_for_them(
    both: tuple[Any, Any], shards: TwoShards, history: History
) -> None:
    with Client.from_url(shards.url()) as client:
        cluster = read_cluster(client, NAME)
        # The server's own choice for the key of its Distributed tables.
        chosen = dict(
            client.execute(
                "SELECT site, modulo(cityHash64(site), 2) FROM (SELECT arrayJoin(%(sites)s) AS site)",
                {"sites": history.sites()},
            )
        )
    assert {site: cluster.shard_of(site) for site in history.sites()} == chosen
    assert set(chosen.values()) == {0, 1}
    for index in range(2):
        with Client.from_url(shards.url(index, "sluice_shard")) as client:
            here = {site for site, shard in chosen.items() if shard == index}
            for table in ("readings", "entries", "accounts", "meters"):
                found = {site for (site,) in client.execute(f"SELECT DISTINCT site FROM {table}")}
                assert found, table
                assert found <= here, table
            assert {site for (site,) in client.execute("SELECT DISTINCT site FROM postings")} == here


@pytest.mark.parametrize(
    "table",
    [
        *("readings", "pieces", "entries", "movements", "accepted_readings", "alarms", "commands", "postings"),
        *("account_day", "meter_day", "meter_day_cells"),
        *("account_validity", "meter_validity", "tariff_validity"),
    ],
)
def test_all_shards_together_have_the_rows_of_a_single_server(both: tuple[Any, Any], table: str) -> None:
    without = " EXCEPT (stored_at)" if table == "postings" else ""
    found, expected = (client.execute(f"SELECT *{without} FROM {table} ORDER BY ALL") for client in both)
    assert expected
    assert found == expected


def test_the_audit_holds_on_the_cluster(both: tuple[Any, Any]) -> None:
    found, expected = (audit(client) for client in both)
    assert [(check.name, check.rows, check.wrong) for check in found] == [
        (check.name, check.rows, 0) for check in expected
    ]


@pytest.mark.parametrize("report", [energy_and_finance, usage, arrears, commands])
def test_reports_tell_the_same(both: tuple[Any, Any], report: Callable[[Question], Any]) -> None:
    found, expected = (report(Question(client, PERIOD)) for client in both)
    assert len(expected)
    assert found.equals(expected)


def test_what_is_no_cluster_is_told(shards: TwoShards) -> None:
    with pytest.raises(ClusterError, match="knows no cluster three"):
        migrate_cluster(shards.url(), "three")


def test_a_database_of_a_single_server_is_not_taken_over(shards: TwoShards) -> None:
    """Its tables hold the rows that a Distributed table of the same name would take the place of."""
    migrate(shards.url(0, "lone"))
    with Client.from_url(shards.url(0, "lone")) as lone:
        lone.execute("INSERT INTO entries (site, account, amount_nano) VALUES", [("S1", "A1", 7)])
        try:
            with pytest.raises(ClusterError, match=r"database lone holds rows of a single server .*entries"):
                migrate_cluster(shards.url(0, "lone"), NAME)
            assert lone.execute("SELECT amount_nano FROM entries") == [(7,)]
        finally:
            for index in range(2):
                with Client.from_url(shards.url(index)) as client:
                    client.execute("DROP DATABASE IF EXISTS lone")
                    client.execute("DROP DATABASE IF EXISTS lone_shard")


def test_a_server_in_the_place_of_one_that_is_gone_gets_the_schema_of_its_fellow(shards: TwoShards) -> None:
    """As of replicas of a shard; the tables here are plain ones, which is the same to this step."""
    made = "SELECT name, create_table_query FROM system.tables WHERE database = '{}' AND name != 'schema_migrations'"
    with Client.from_url(shards.url(0, "sluice_shard")) as old, Client.from_url(shards.url(1, "default")) as new:
        new.execute("CREATE DATABASE IF NOT EXISTS fellow")
        with Client.from_url(shards.url(1, "fellow")) as fellow:
            # Statements name their database: here the servers' differ.
            level_schema([InDatabase(old, "sluice_shard", "fellow"), fellow], read_migrations())
            expected = old.execute(made.format("sluice_shard") + " ORDER BY name")
            found = fellow.execute(made.format("fellow") + " ORDER BY name")
            assert found == [(name, text.replace("sluice_shard.", "fellow.")) for name, text in expected]
            applied = "SELECT number, name, checksum FROM schema_migrations ORDER BY number"
            assert fellow.execute(applied) == old.execute(applied)
            assert apply_migrations([fellow], read_migrations()) == []


class InDatabase:
    """A client whose answers name another database."""

    def __init__(self, client: Any, own: str, named: str) -> None:
        self._client, self._own, self._named = client, own, named

    def execute(self, sql: str) -> Any:
        rows = self._client.execute(sql)
        if "create_table_query" not in sql:
            return rows
        return [(text.replace(f"{self._own}.", f"{self._named}."),) for (text,) in rows]
