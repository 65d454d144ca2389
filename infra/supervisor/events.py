"""What a supervisor tells of its members."""

from dataclasses import dataclass
from enum import StrEnum

from infra.errors import InfraError


class What(StrEnum):
    """What happened to a member."""

    STARTING = "starting"
    READY = "ready"
    DONE = "done"
    """It had only something to prepare in a cluster that others run, and has."""
    ENDED = "ended"
    """It ended without being asked; it is started again."""
    KILLED = "killed"
    """It did not end when asked and was killed."""
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a member.

    Attributes:
        member: Its name, such as `ledger-0`.
        pid: Of the process that this is about.
        detail: For people; empty where there is nothing to add.
        ports: Of a member that is ready.
    """

    member: str
    what: What
    pid: int | None = None
    detail: str = ""
    ports: tuple[tuple[str, int], ...] = ()


class SupervisorError(InfraError):
    """The parts cannot be started; the message says which one and what it wrote last."""
