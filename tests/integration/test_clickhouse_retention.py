"""Events are removed after as many days as the setting says; what money is made of never is."""

from datetime import UTC, datetime, timedelta

from clickhouse_driver import Client

from infra.clickhouse.retention import TABLES, set_retention
from tests.integration.clickhouse_places import own_database


def test_old_events_go_and_the_rest_stays(clickhouse: str) -> None:
    with own_database(clickhouse, "kept") as url, Client.from_url(url) as client:
        now = datetime.now(UTC)
        for table in (*TABLES, "entries"):
            rows = [("S1", now - timedelta(days=days)) for days in (0, 20, 40)]
            client.execute(f"INSERT INTO {table} (site, at) VALUES", rows)

        def left() -> dict[str, int]:
            for table in TABLES:
                client.execute(f"OPTIMIZE TABLE {table} FINAL")
            return {table: client.execute(f"SELECT count() FROM {table}")[0][0] for table in (*TABLES, "entries")}

        assert set_retention(client, 0) == []
        assert left() == dict.fromkeys((*TABLES, "entries"), 3)
        assert set_retention(client, 30) == list(TABLES)
        assert set_retention(client, 30) == []
        assert left() == {**dict.fromkeys(TABLES, 2), "entries": 3}
        assert set_retention(client, 10) == list(TABLES)
        assert left() == {**dict.fromkeys(TABLES, 1), "entries": 3}
        assert set_retention(client, 0) == list(TABLES)
        assert set_retention(client, 0) == []
