"""The parts that a running Sluice consists of, in the order in which they need each other."""

import importlib
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from infra.settings import Settings


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of process.

    Attributes:
        module: Has `main(settings)`, or `main(settings, worker)` where there are several, which returns on SIGTERM.
        restarts: Whether the supervisor starts it again when it ends by itself.
        many: Whether there are `Settings.workers` of it.
    """

    name: str
    module: str
    restarts: bool
    many: bool = False

    def run(self, settings: Settings, worker: int) -> None:
        """Be this part until SIGTERM or SIGINT."""
        # Imported only now: each part needs other libraries, and Kafka's process need not load Faust or the engine.
        entry = importlib.import_module(self.module).main
        if self.many:
            entry(settings, worker)
        else:
            entry(settings)


_TABLE = (
    Part("kafka", "infra.kafka.server", restarts=False),
    Part("clickhouse", "infra.clickhouse.server", restarts=False),
    Part("fleet", "infra.fleet.server", restarts=False),
    Part("collector", "collectors.server", restarts=True),
    Part("ledger", "streams.server", restarts=True, many=True),
    Part("sink", "sinks.server", restarts=True),
)

PARTS: Final = MappingProxyType({part.name: part for part in _TABLE})
