"""The parts that a running Sluice consists of, and which need which."""

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
        needs: Parts that must be ready before this one starts, and that end after it, as far as they are there.
        many: Whether there are `Settings.workers` of it.
        ready_s: How long it may take until it is ready.
    """

    name: str
    module: str
    needs: tuple[str, ...] = ()
    many: bool = False
    ready_s: float = 120

    def run(self, settings: Settings, worker: int) -> None:
        """Be this part until SIGTERM or SIGINT."""
        # Imported only now: each part needs other libraries, and Kafka's process need not load Faust or the engine.
        entry = importlib.import_module(self.module).main
        if self.many:
            entry(settings, worker)
        else:
            entry(settings)


FLEET: Final = "fleet"
"""The virtual property group: there unless `Settings.fleet` is off."""

_TABLE = (
    # The first start may have to copy Kafka's jars from Maven.
    Part("kafka", "infra.kafka.server", ready_s=900),
    Part("clickhouse", "infra.clickhouse.server"),
    Part(FLEET, "infra.fleet.server"),
    Part("collector", "collectors.server", needs=("kafka", FLEET)),
    Part("ledger", "streams.server", needs=("kafka",), many=True),
    Part("sink", "sinks.server", needs=("kafka", "clickhouse")),
)

PARTS: Final = MappingProxyType({part.name: part for part in _TABLE})


@dataclass(frozen=True, slots=True)
class Member:
    """One process of a running Sluice: a part, or one of several of it."""

    part: Part
    worker: int = 0

    @property
    def name(self) -> str:
        """What it is called in records, logs and commands: `kafka`, `ledger-0`."""
        return f"{self.part.name}-{self.worker}" if self.part.many else self.part.name


def members(settings: Settings) -> tuple[Member, ...]:
    """All processes that these settings ask for, each after those it needs."""
    return tuple(
        Member(part, worker)
        for part in PARTS.values()
        if settings.fleet or part.name != FLEET
        for worker in range(settings.workers if part.many else 1)
    )


def is_external(part: Part, settings: Settings) -> bool:
    """Whether others run it, so that its process here only prepares what Sluice needs there and ends."""
    return (part.name == "kafka" and bool(settings.kafka)) or (part.name == "clickhouse" and bool(settings.clickhouse))
