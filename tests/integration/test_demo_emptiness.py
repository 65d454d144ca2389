"""A checked run refuses servers that know other accounts."""

import uuid
from datetime import UTC, datetime
from urllib.parse import urlsplit, urlunsplit

import pytest
from clickhouse_driver import Client
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient

from infra.clickhouse.migrate import migrate
from infra.demo import emptiness
from infra.demo.emptiness import check_empty
from infra.demo.errors import DemoError
from infra.settings import Settings


def test_a_cluster_is_looked_into(kafka: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    # A topic of its own: other tests' ledgers read the product's.
    orders = f"orders-{uuid.uuid4().hex[:12]}"
    monkeypatch.setattr(emptiness, "OFFICE_ORDERS", orders)
    theirs = settings.model_copy(update={"kafka": kafka, "clickhouse": ""})
    check_empty(theirs)
    admin = KafkaAdminClient(bootstrap_servers=kafka.split(","))
    admin.create_topics({orders: {"num_partitions": 2, "replication_factor": 1}})
    admin.wait_for_topics([orders], timeout_ms=30_000)
    admin.close()
    check_empty(theirs)
    producer = KafkaProducer(bootstrap_servers=kafka.split(","))
    producer.send(orders, b"{}", partition=1).get(timeout=30)
    producer.close()
    with pytest.raises(DemoError, match=f"SLUICE_KAFKA names a cluster whose {orders} holds orders"):
        check_empty(theirs)


def test_a_database_is_looked_into(clickhouse: str, settings: Settings) -> None:
    name = f"empty_{uuid.uuid4().hex[:12]}"
    own = urlunsplit(urlsplit(clickhouse)._replace(path=f"/{name}"))
    theirs = settings.model_copy(update={"kafka": "", "clickhouse": own})
    check_empty(theirs)
    migrate(own)
    check_empty(theirs)
    with Client.from_url(own) as client:
        client.execute("INSERT INTO accounts (site, number, account, at) VALUES", [("S1", 0, "A1", datetime.now(UTC))])
        with pytest.raises(DemoError, match="SLUICE_CLICKHOUSE names a database that holds accounts"):
            check_empty(theirs)
        client.execute(f"DROP DATABASE {name}")


def test_servers_that_start_here_are_not_looked_for(settings: Settings) -> None:
    check_empty(settings.model_copy(update={"kafka": "", "clickhouse": ""}))
