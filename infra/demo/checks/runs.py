"""Checks: the processes were killed and came back, and in the end had taken everything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from infra.demo.checks.check import Check, examples


@dataclass(frozen=True, slots=True)
class Kill:
    """A part that was killed with -9.

    Attributes:
        member: Its name, such as `ledger-0`.
        pid: Of the process that was killed.
        back_pid: Of the one that came in its place; None if none did in time.
        took_s: How long it was away.
    """

    member: str
    pid: int
    back_pid: int | None
    took_s: float


def check_kills(kills: Sequence[Kill], wanted: Mapping[str, int]) -> list[Check]:
    """Each part was killed as often as wanted, and another process took its place each time; one line a kill."""
    checks = []
    for member, times in wanted.items():
        done = [kill for kill in kills if kill.member == member]
        checks += [
            Check(
                f"kill -9 of {member}, {number} of {times}",
                kill.back_pid not in (None, kill.pid),
                f"process {kill.pid} killed, "
                + (f"{kill.back_pid} in its place after {kill.took_s:.1f} s" if kill.back_pid else "none came back"),
            )
            for number, kill in enumerate(done, 1)
        ]
        checks += [
            Check(f"kill -9 of {member}, {number} of {times}", False, "was not killed")
            for number in range(len(done) + 1, times + 1)
        ]
    return checks


def check_drained(ends: Mapping[str, int], taken: Mapping[str, int], *, sink_is_done: bool) -> Check:
    """The ledger's state is that after the last record of both inputs, and the sink has written its last posting.

    Args:
        ends: By input and partition, the offset after the last record.
        taken: The same, the offset that `ledger.state` says comes next.
    """
    wrong = [f"{place} {taken.get(place, 0):,} of {end:,}" for place, end in ends.items() if taken.get(place, 0) != end]
    if not sink_is_done:
        wrong.append("postings")
    found = f"not all of {examples(wrong)}" if wrong else f"{sum(ends.values()):,} records of {len(ends)} partitions"
    return Check("the ledger and the sink have taken everything", bool(ends) and not wrong, found)
