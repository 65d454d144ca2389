"""What becomes of a command on its way to the meter. Whether supply changed is seen in readings alone."""

from collections.abc import Callable
from enum import StrEnum

from collectors.gateways.command import Command


class Outcome(StrEnum):
    """How the way of a command ended, in the words of `gateway.reports`."""

    ACCEPTED = "accepted"
    """The meter said that it takes it."""
    REFUSED = "refused"
    """The meter said that it does not."""
    UNANSWERED = "unanswered"
    """It was sent, and no good answer came: the meter may have taken it."""
    UNKNOWN = "unknown"
    """It was sent by a process that ended before it could say what came of it."""
    EXPIRED = "expired"
    OVERTAKEN = "overtaken"
    """A later command of the same place was there before it could be sent."""
    UNSUPPORTED = "unsupported"
    """Nothing here carries out this action on this kind of meter."""
    MISPLACED = "misplaced"
    """No meter is where the command says, or another one."""
    FORGED = "forged"
    """Its signature is wrong or missing, or cannot be checked."""
    MALFORMED = "malformed"


ReportCommand = Callable[[Command, Outcome, str, bytes], None]
"""Takes a command, its outcome, why for people, and the meter's answer (empty if there is none)."""


def report_nothing(command: Command, outcome: Outcome, detail: str, frame: bytes) -> None:
    """For those who look at readings alone."""
