"""Checks: commands are sent once, and soon after the frame that caused them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, NamedTuple

from infra.demo.checks.check import Check, examples

LATENCY_MS_MAX: Final = 1_000
"""From frame to command."""


class CommandKey(NamedTuple):
    """What makes a command one of a kind."""

    site: str
    meter: str
    sequence: int


class Place(NamedTuple):
    """A record of a topic."""

    partition: int
    offset: int


class Stamped(NamedTuple):
    """A record, and when Kafka took it."""

    place: Place
    at_ms: int


@dataclass(frozen=True, slots=True)
class Backlog:
    """A time in which the ledger had to catch up, in offsets by partition, which no clock can shift.

    Attributes:
        commands: Where `gateway.commands` ended when it began.
        frames: Where `meter.frames` ended when the ledger had caught up.
    """

    commands: Mapping[int, int]
    frames: Mapping[int, int]

    def delays(self, command: Place, cause: Place) -> bool:
        """Whether the command came after the beginning, of a round that came before the end."""
        return command.offset >= self.commands.get(command.partition, 0) and cause.offset < self.frames.get(
            cause.partition, 0
        )


def check_commands(sent: Sequence[CommandKey], stored: Sequence[CommandKey]) -> Check:
    """ClickHouse has the commands that the gateways were sent, each once.

    Args:
        sent: From `gateway.commands`.
        stored: The rows of `commands`.
    """
    name = "every command sent is in ClickHouse once"
    before, after = Counter(sent), Counter(stored)
    wrong = sorted(key for key in before | after if before[key] != 1 or after[key] != 1)
    found = f"{len(wrong):,} are not: {examples(wrong)}" if wrong else f"{len(before):,} commands"
    return Check(name, bool(before) and not wrong, found)


def check_latency(
    caused: Mapping[CommandKey, Place],
    *,
    arrived_ms: Mapping[Place, int],
    sent: Mapping[CommandKey, Stamped],
    backlogs: Sequence[Backlog],
    opened_ms: int | None,
) -> Check:
    """From frame to command it takes less than a second, by Kafka's clock: the median over the commands.

    Args:
        caused: The commands that frames caused, and the record of `meter.frames` that did.
        arrived_ms: When Kafka took each round.
        sent: The commands in `gateway.commands`.
        backlogs: Commands that waited in one are told apart.
        opened_ms: From the frame to the open relay of the demo account's meter; only shown.
    """
    took: list[int] = []
    waited: list[int] = []
    for key, cause in caused.items():
        if key in sent and cause in arrived_ms:
            command = sent[key]
            delayed = any(backlog.delays(command.place, cause) for backlog in backlogs)
            (waited if delayed else took).append(command.at_ms - arrived_ms[cause])
    found = _latency(took)
    if opened_ms is not None:
        found += f"; the demo account's relay was open after {opened_ms / 1000:.3f} s"
    if waited:
        found += f"; while it caught up {_latency(waited)}"
    return Check("from frame to command in under one second", bool(took) and 0 <= median(took) < LATENCY_MS_MAX, found)


def _latency(took: Sequence[int]) -> str:
    if not took:
        return "no command was caused by a frame"
    return f"{median(took) / 1000:.3f} s median, {max(took) / 1000:.3f} s at most, {len(took):,} commands"
