"""What goes wrong on a line between a meter and the collector, drawn from a seed.

Works on answers as bytes, so it serves every serial protocol. A corrupted answer has one bit changed, which sums and
CRCs always show; what they cannot show is the risk of the protocol, not of its reader.
"""

from dataclasses import dataclass
from enum import StrEnum

from infra.fleet.seeded import Seeded


class Fault(StrEnum):
    """What happens to one answer."""

    NONE = "none"
    DROPPED = "dropped"
    DELAYED = "delayed"
    DOUBLED = "doubled"
    REORDERED = "reordered"
    CORRUPTED = "corrupted"
    RESTARTED = "restarted"


_WEIGHTS = (
    (Fault.NONE, 60),
    (Fault.DROPPED, 8),
    (Fault.DELAYED, 8),
    (Fault.DOUBLED, 8),
    (Fault.REORDERED, 6),
    (Fault.CORRUPTED, 8),
    (Fault.RESTARTED, 2),
)


_LAG = 4
"""Answers until a line with a delayed one has caught up."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What goes out instead of an answer.

    Attributes:
        restarts: The gateway hangs up behind it, and forgets what it held.
    """

    pieces: tuple[bytes, ...]
    fault: Fault
    restarts: bool = False


class LineFaults:
    """The faults of one line, answer by answer; while `is_calm`, none.

    A delayed answer comes when the next one is due, and that one in turn later, until the line has caught up. A
    reordered one comes behind the next.
    """

    def __init__(self, *path: int | str) -> None:
        self.is_calm = False
        self._draw = Seeded(*path, "line faults")
        self._late: list[bytes] = []
        self._lag = 0
        self._behind: list[bytes] = []

    def send(self, answer: bytes) -> Sent:
        """What the line makes of an answer."""
        fault = Fault.NONE if self.is_calm else self._draw.weighted(_WEIGHTS)
        if fault is Fault.RESTARTED:
            self._late, self._behind = [], []
            return Sent((), fault, restarts=True)
        behind, self._behind = self._behind, [answer] if fault is Fault.REORDERED else []
        if fault is Fault.DELAYED:
            self._late.append(answer)
            self._lag = _LAG
            return Sent(tuple(behind), fault)
        return Sent((*self._in_turn(self._made_of(fault, answer)), *behind), fault)

    def _in_turn(self, own: list[bytes]) -> list[bytes]:
        """What is due: the answer's own bytes, or those that have waited longer."""
        if not self._late:
            return own
        self._late += own
        self._lag -= 1
        count = 1 if self._lag > 0 and not self.is_calm else len(self._late)
        due, self._late = self._late[:count], self._late[count:]
        return due

    def _made_of(self, fault: Fault, answer: bytes) -> list[bytes]:
        match fault:
            case Fault.NONE:
                return [answer]
            case Fault.DOUBLED:
                return [answer, answer]
            case Fault.CORRUPTED:
                return [self._corrupted(answer)]
            case _:
                return []

    def _corrupted(self, answer: bytes) -> bytes:
        place, bit = self._draw.below(len(answer)), self._draw.below(8)
        return answer[:place] + bytes([answer[place] ^ 1 << bit]) + answer[place + 1 :]
