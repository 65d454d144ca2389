"""What goes wrong on a line between a meter and the collector, drawn from a seed.

Works on answers as bytes, so it serves every serial protocol. A corrupted answer has one bit changed, which sums and
CRCs always show; what they cannot show is the risk of the protocol, not of its reader.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from infra.fleet.fault import LINE_FAULTS, Fault
from infra.fleet.seeded import Seeded

_WEIGHTS = {
    Fault.DROPPED: 8,
    Fault.DELAYED: 8,
    Fault.DOUBLED: 8,
    Fault.REORDERED: 6,
    Fault.CORRUPTED: 8,
    Fault.RESTARTED: 2,
}
"""Of a hundred answers so many have the fault."""


_LAG = 4
"""Answers until a line with a delayed one has caught up."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What goes out instead of an answer.

    Attributes:
        fault: What happened to the answer; None if nothing did.
        restarts: The gateway hangs up behind it, and forgets what it held.
    """

    pieces: tuple[bytes, ...]
    fault: Fault | None
    restarts: bool = False


class LineFaults:
    """The faults of one line, answer by answer; while `is_calm`, none.

    A delayed answer comes when the next one is due, and that one in turn later, until the line has caught up. A
    reordered one comes behind the next.
    """

    def __init__(self, *path: int | str, kinds: Collection[Fault] = LINE_FAULTS) -> None:
        """Draw from a seed which answers have which of the `kinds`."""
        self.is_calm = False
        self.seen: Counter[Fault] = Counter()
        kinds = [fault for fault in _WEIGHTS if fault in kinds]
        good = 100 - sum(_WEIGHTS[fault] for fault in kinds)
        self._weights: list[tuple[Fault | None, int]] = [(None, good), *((fault, _WEIGHTS[fault]) for fault in kinds)]
        self._draw = Seeded(*path, "line faults")
        self._late: list[bytes] = []
        self._lag = 0
        self._behind: list[bytes] = []

    def forget(self) -> None:
        """Hold nothing back any more: what was held was for a connection that is gone."""
        self._late, self._behind, self._lag = [], [], 0

    def send(self, answer: bytes) -> Sent:
        """What the line makes of an answer."""
        fault = None if self.is_calm else self._draw.weighted(self._weights)
        if fault is not None:
            self.seen[fault] += 1
        if fault is Fault.RESTARTED:
            self.forget()
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

    def _made_of(self, fault: Fault | None, answer: bytes) -> list[bytes]:
        match fault:
            case None:
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
