"""The way to the database."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from clickhouse_driver import Client
from clickhouse_driver.errors import Error

from analytics.errors import AnalyticsError
from infra.endpoints import clickhouse_url
from infra.settings import Settings


@contextmanager
def connected(settings: Settings) -> Iterator[Any]:
    """A client of the product's database for as long as the context lasts.

    Raises:
        EndpointError: No ClickHouse runs.
        AnalyticsError: It cannot be reached or refuses a query; the message is its first line.
    """
    # What it says with a trace, the error says in a line.
    logging.getLogger("clickhouse_driver").setLevel(logging.CRITICAL)
    client = Client.from_url(clickhouse_url(settings))
    try:
        yield client
    except (Error, OSError, EOFError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise AnalyticsError(f"ClickHouse: {' '.join(lines[:2])}") from error
    finally:
        client.disconnect()
