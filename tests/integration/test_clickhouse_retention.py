"""Events are removed after as many days as the setting says; what money is made of never is."""

from datetime import UTC, datetime, timedelta

from clickhouse_driver import Client

from infra.clickhouse.retention import EVENTS, RAW, set_retention
from tests.integration.clickhouse_places import own_database


def test_old_events_go_and_the_rest_stays(clickhouse: str) -> None:
    with own_database(clickhouse, "kept") as url, Client.from_url(url) as client:
        now = datetime.now(UTC)
        for table, time in {**EVENTS, **RAW, "entries": "at"}.items():
            rows = [(f"S{days}", now - timedelta(days=days)) for days in (0, 20, 40)]
            client.execute(f"INSERT INTO {table} (site, {time}) VALUES", rows)

        def left() -> list[tuple[str, int]]:
            counts = []
            for table in (*EVENTS, *RAW, "entries"):
                client.execute(f"OPTIMIZE TABLE {table} FINAL")
                ((rows,),) = client.execute(f"SELECT count() FROM {table}")
                counts.append(rows)
            return list(zip((*EVENTS, *RAW, "entries"), counts, strict=True))

        def expected(events: int, raw: int) -> list[tuple[str, int]]:
            return [*((table, events) for table in EVENTS), *((table, raw) for table in RAW), ("entries", 3)]

        assert set_retention(client, EVENTS, 0) == []
        assert left() == expected(3, 3)
        assert set_retention(client, EVENTS, 30) == list(EVENTS)
        assert set_retention(client, EVENTS, 30) == []
        assert left() == expected(2, 3)
        assert set_retention(client, EVENTS, 10) == list(EVENTS)
        assert set_retention(client, RAW, 30) == list(RAW)
        assert left() == expected(1, 2)
        assert set_retention(client, EVENTS, 0) == list(EVENTS)
        assert set_retention(client, EVENTS, 0) == []
