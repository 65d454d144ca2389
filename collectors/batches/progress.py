"""How far each meter of a batch is, told from what the ledger and the collectors wrote."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from collectors.batches.orders import BatchOrder
from collectors.gateways.report import Outcome


class State(StrEnum):
    """The furthest that a meter's order is known to be."""

    SENT = "sent"
    """In Kafka; not in ClickHouse yet what the ledger made of it."""
    REFUSED = "refused"
    """By the ledger or by the meter."""
    TAKEN = "taken"
    """By the ledger, which commanded nothing: there was nothing to change, or it waits for a protected time to end."""
    COMMANDED = "commanded"
    """Nothing is reported of the command yet."""
    ACCEPTED = "accepted"
    """By the meter; no reading shows it yet."""
    CONFIRMED = "confirmed"
    """A reading since shows the supply that was asked for."""
    EXPIRED = "expired"
    FAILED = "failed"
    """The command did not reach the meter, or nobody knows whether it did."""


WANTED: Final[Mapping[str, tuple[str, int]]] = {"cut": ("cut", 2), "restore": ("restore", 1), "retain": ("restore", 1)}
"""By the order's action: the command that the ledger writes, and the supply that confirms it, as in `readings`."""

_SHOWN: Final = frozenset({"cut", "restore"})
"""Commands whose effect readings show."""
_REPORTED: Final = {
    Outcome.ACCEPTED: State.ACCEPTED,
    Outcome.REFUSED: State.REFUSED,
    Outcome.EXPIRED: State.EXPIRED,
}


@dataclass(frozen=True, slots=True)
class Issued:
    """A command of the ledger, as in ClickHouse's `commands`."""

    meter: str
    sequence: int
    action: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Reported:
    """What a collector said of a command."""

    outcome: Outcome
    detail: str


@dataclass(frozen=True, slots=True)
class Progress:
    """One meter of a batch.

    Attributes:
        sequence: Of its latest command; 0 if there is none.
        detail: Why, for people.
    """

    meter: str
    state: State
    sequence: int
    detail: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known beside the orders.

    Attributes:
        taken_up_to: The ledger's next order offset of the partition.
        refusals: Reasons by offset of an order.
        commands: By meter, in the order of their sequence.
        shown: By meter, when a reading last showed the supply that the batch asks for, ms.
    """

    taken_up_to: int
    refusals: Mapping[int, str]
    commands: Mapping[str, Sequence[Issued]]
    reports: Mapping[tuple[str, int], Reported]
    shown: Mapping[str, int]


def tell_progress(order: BatchOrder, seen: Seen) -> Progress:
    """How far one meter's order is."""
    if order.offset >= seen.taken_up_to:
        return Progress(order.meter, State.SENT, 0, "")
    refusal = seen.refusals.get(order.offset)
    if refusal is not None:
        return Progress(order.meter, State.REFUSED, 0, f"ledger: {refusal}")
    commands = seen.commands.get(order.meter, ())
    command = _latest_of(order, commands) or _named_as(order, commands)
    if command is None:
        return Progress(order.meter, State.TAKEN, 0, "")
    first, latest = command
    if first.action in _SHOWN and seen.shown.get(order.meter, 0) > first.at_ms:
        return Progress(order.meter, State.CONFIRMED, latest.sequence, "")
    reported = seen.reports.get((order.meter, latest.sequence))
    if reported is None:
        return Progress(order.meter, State.COMMANDED, latest.sequence, "")
    state = _REPORTED.get(reported.outcome, State.FAILED)
    said = f"{reported.outcome}: {reported.detail}" if reported.detail else str(reported.outcome)
    return Progress(order.meter, state, latest.sequence, said)


def _named_as(order: BatchOrder, commands: Sequence[Issued]) -> tuple[Issued, Issued] | None:
    """The command of the order's own name that it led to, first and last: no reading shows what such a one did."""
    found = next((each for each in commands if each.at_ms >= order.at_ms and each.action == order.action), None)
    return None if found is None or found.action in _SHOWN else (found, found)


def _latest_of(order: BatchOrder, commands: Sequence[Issued]) -> tuple[Issued, Issued] | None:
    """The first command that an order led to and its latest repeat; a contrary command ends them."""
    if order.action not in WANTED:
        return None
    wanted = WANTED[order.action][0]
    led: list[Issued] = []
    for command in commands:
        if command.at_ms < order.at_ms or command.action not in _SHOWN:
            continue
        if command.action != wanted:
            if led:
                break
            continue
        led.append(command)
    return (led[0], led[-1]) if led else None
