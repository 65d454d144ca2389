"""Databases of their own on the session's ClickHouse."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

from clickhouse_driver import Client

from infra.clickhouse.migrate import migrate


@contextmanager
def own_database(clickhouse: str, purpose: str) -> Iterator[str]:
    """The address of a new database with the newest schema; it is dropped in the end."""
    name = f"{purpose}_{uuid.uuid4().hex[:12]}"
    own = urlunsplit(urlsplit(clickhouse)._replace(path=f"/{name}"))
    migrate(own)
    yield own
    client = Client.from_url(clickhouse)
    client.execute(f"DROP DATABASE {name}")
    client.disconnect()
