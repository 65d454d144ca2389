"""Faults: parts killed with -9 while they work, and the wait until others have taken their place."""

import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from infra.demo.checks.commands import Backlog
from infra.demo.checks.runs import Kill
from infra.demo.errors import DemoError
from infra.demo.patience import Patience
from infra.demo.progress import Progress, reached
from infra.demo.told import Told
from infra.supervisor import Event, Supervisor, What
from infra.topics import GATEWAY_COMMANDS, METER_FRAMES

LEDGER: Final = "ledger-0"
SINK: Final = "sink"
WANTED: Final = {LEDGER: 2, SINK: 1}
"""Kills of a run with faults."""


@dataclass(frozen=True, slots=True)
class Killed:
    """A part that was killed and may not be back yet.

    Attributes:
        at: When, by a clock that only goes forward.
        commands: Where `gateway.commands` ended, by partition.
    """

    member: str
    pid: int
    at: float
    commands: Mapping[int, int]


class ReadyTimes:
    """When each process of a part was ready, by a clock that only goes forward; to be told all events."""

    def __init__(self) -> None:
        self._times: dict[str, dict[int, float]] = {}

    def take(self, event: Event) -> None:
        if event.what is What.READY and event.pid is not None:
            self._times.setdefault(event.member, {})[event.pid] = time.monotonic()

    def after(self, member: str, pid: int) -> tuple[int, float] | None:
        """The process that came in the place of `pid`, and when it was ready; None if none is yet."""
        processes = list(self._times.get(member, {}).items())
        known = [number for number, _ in processes]
        later = processes[known.index(pid) + 1 :] if pid in known else processes
        return later[0] if later else None


class Faults:
    """Kills parts and keeps a record of it.

    Args:
        ready: Is told the supervisor's events.
    """

    def __init__(
        self, supervisor: Supervisor, ready: ReadyTimes, progress: Progress, patience: Patience, told: Told
    ) -> None:
        self._supervisor = supervisor
        self._ready = ready
        self._progress = progress
        self._patience = patience
        self._told = told
        self.kills: list[Kill] = []
        self.backlogs: list[Backlog] = []

    def kill(self, member: str) -> Killed:
        """Kill a part that runs.

        Raises:
            DemoError: It does not run.
        """
        commands = self._progress.ends_of(GATEWAY_COMMANDS)
        pid = self._supervisor.send_signal(member, signal.SIGKILL)
        if pid is None:
            raise DemoError(f"{member} does not run, so it cannot be killed")
        return Killed(member, pid, time.monotonic(), commands)

    def await_back(self, killed: Killed) -> None:
        """Wait until another process does the work: a ledger also has to catch up."""
        back = self._patience.wait_for(lambda: self._ready.after(killed.member, killed.pid))
        working = back is not None
        if back is not None and killed.member == LEDGER:
            ends = self._progress.ends()
            working = bool(self._patience.wait_for(lambda: reached(self._progress.ledger(), ends) or None))
            self.backlogs.append(Backlog(killed.commands, self._progress.ends_of(METER_FRAMES)))
        pid, ready_at = back if back is not None and working else (None, time.monotonic())
        self.kills.append(Kill(killed.member, killed.pid, pid, ready_at - killed.at))
        self._told.say(f"{killed.member} {'is at work again' if working else 'did not come back in time'}")
