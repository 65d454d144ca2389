"""Drawn scenarios in a database, and what the slow model made of each of them."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from clickhouse_driver import Client

from tests.integration.clickhouse_places import own_database
from tests.ledger_history import History, lines_of
from tests.model.generator import draw


@dataclass(frozen=True, slots=True)
class DrawnWorld:
    """Generated histories, taken by the core and stored by the sink.

    Attributes:
        models: The slow model's output by the prefix of the scenario's sites.
    """

    client: Any
    history: History
    models: dict[str, Any]


@contextmanager
def drawn_world(clickhouse: str, name: str, seeds: Iterable[int]) -> Iterator[DrawnWorld]:
    """The scenarios of some seeds in a database of their own."""
    history, models = History(), {}
    for seed in seeds:
        scenario = draw(seed)
        models[f"{seed}-"] = scenario.model.output()
        history.take(seed % 3, lines_of(scenario.lines, prefix=f"{seed}-"), size=20)
    with own_database(clickhouse, name) as url:
        history.write(url)
        client = Client.from_url(url)
        yield DrawnWorld(client, history, models)
        client.disconnect()
