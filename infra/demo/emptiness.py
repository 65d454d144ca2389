"""Servers that others run must be empty for a checked run: sums over other accounts too would say nothing."""

from urllib.parse import urlsplit, urlunsplit

from clickhouse_driver import Client
from kafka import KafkaConsumer, TopicPartition

from infra.demo.errors import DemoError
from infra.settings import Settings
from infra.topics import OFFICE_ORDERS


def check_empty(settings: Settings) -> None:
    """Look whether the servers that the settings name have taken orders before; those that start here have not.

    Raises:
        DemoError: One has.
    """
    if settings.kafka and _orders(settings.kafka):
        raise DemoError(_refusal("SLUICE_KAFKA", f"a cluster whose {OFFICE_ORDERS} holds orders"))
    if settings.clickhouse and _accounts(settings.clickhouse):
        raise DemoError(_refusal("SLUICE_CLICKHOUSE", "a database that holds accounts"))


def _orders(bootstrap: str) -> int:
    consumer = KafkaConsumer(bootstrap_servers=bootstrap.split(","), client_id="sluice-demo", group_id=None)
    try:
        if OFFICE_ORDERS not in consumer.topics():
            return 0
        places = [TopicPartition(OFFICE_ORDERS, number) for number in consumer.partitions_for_topic(OFFICE_ORDERS)]
        return sum(consumer.end_offsets(places).values())
    finally:
        consumer.close()


def _accounts(url: str) -> int:
    # The database itself may not be there yet, and a client that names it would be refused.
    parts = urlsplit(url)
    with Client.from_url(urlunsplit(parts._replace(path="/default"))) as client:
        found = client.execute(
            "SELECT total_rows FROM system.tables WHERE database = %(database)s AND name = 'accounts'",
            {"database": parts.path.removeprefix("/")},
        )
    return sum(rows or 0 for (rows,) in found)


def _refusal(variable: str, what: str) -> str:
    return f"{variable} names {what}; a checked run needs an empty one, or starts its own without {variable}"
