"""The commands that wait for a gateway's line: of each meter the last word about a subject, and no other."""

import asyncio
import contextlib
from collections.abc import Callable, Container
from dataclasses import dataclass

import structlog

from collectors.gateways.command import Command
from collectors.gateways.report import Outcome, ReportCommand, report_nothing
from collectors.registry import GatewayPlan, MeterOnLine

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Waiting:
    """A command that is to be carried out, to which meter, and when, by the loop's clock.

    Attributes:
        arrival: Counts what was added: those of one meter go out in that order, as their sequences rise.
    """

    command: Command
    meter: MeterOnLine
    due: float
    retry_s: float
    arrival: int


class WaitingCommands:
    """Of each meter of a gateway at most one command a subject: a later one takes the place of an earlier."""

    def __init__(
        self, plan: GatewayPlan, *, retry_s: float, retry_s_max: float, report: ReportCommand = report_nothing
    ) -> None:
        self._site = plan.site
        self._named = {meter.meter: meter for meter in plan.meters}
        self._at_address = {(meter.template.name, meter.address): meter for meter in plan.meters}
        self._retry_s, self._retry_s_max = retry_s, retry_s_max
        self._waiting: dict[tuple[str, str], Waiting] = {}
        self._arrivals = 0
        self._report = report
        self._added = asyncio.Event()

    def add(self, command: Command) -> None:
        """Take in a command, unless it is none for this gateway or a later one waits."""
        if command.site != self._site:
            log.warning("command of another site", site=command.site, **command.told())
            self._report(command, Outcome.MISPLACED, f"the gateway is of site {self._site}", b"")
            return
        meter = self._find(command)
        if meter is None:
            log.warning("command for a meter that is not here", **command.told())
            self._report(command, Outcome.MISPLACED, "the registry has no such meter at this address", b"")
            return
        place = meter.meter, command.subject
        waiting = self._waiting.get(place)
        if waiting is None or command.overtakes(waiting.command):
            if waiting is not None:
                self._report(waiting.command, Outcome.OVERTAKEN, f"by sequence {command.sequence}", b"")
            now = asyncio.get_running_loop().time()
            self._arrivals += 1
            self._waiting[place] = Waiting(command, meter, now, self._retry_s, self._arrivals)
            for other in self._of(meter):
                # It goes out behind them, so they are not to keep it waiting for a retry that is far off.
                other.due = min(other.due, now)
            self._added.set()
        elif waiting.command.overtakes(command):
            self._report(command, Outcome.OVERTAKEN, f"by sequence {waiting.command.sequence}", b"")

    async def next(self, *, last: Container[str]) -> Waiting:
        """The one that is due, once one is; those of the meters in `last` behind all others."""
        loop = asyncio.get_running_loop()
        while True:
            self._added.clear()
            due = [each for each in self._waiting.values() if each.due <= loop.time() and self._is_first(each)]
            if due:
                return min(due, key=lambda each: (each.meter.meter in last, each.due))
            with contextlib.suppress(TimeoutError):
                first = (each.due for each in self._waiting.values() if self._is_first(each))
                async with asyncio.timeout_at(min(first, default=None)):
                    await self._added.wait()

    def all(self) -> list[Waiting]:
        """Those that wait, in the order in which they came."""
        return sorted(self._waiting.values(), key=lambda each: each.arrival)

    def give_up(self, which: Callable[[Command], bool], why: str) -> None:
        """Drop those of which `which` says so, as misplaced."""
        for waiting in self.all():
            if which(waiting.command):
                log.warning("command given up", why=why, **waiting.command.told())
                self._report(waiting.command, Outcome.MISPLACED, why, b"")
                self.settle(waiting)

    def holds(self, waiting: Waiting) -> bool:
        """Whether a command is still the last word about its subject of its meter."""
        return self._waiting.get((waiting.meter.meter, waiting.command.subject)) is waiting

    def settle(self, waiting: Waiting) -> None:
        """Be done with a command; one that has taken its place goes on waiting."""
        if self.holds(waiting):
            del self._waiting[waiting.meter.meter, waiting.command.subject]

    def put_off(self, waiting: Waiting) -> None:
        """Have a command tried again later."""
        waiting.due = asyncio.get_running_loop().time() + waiting.retry_s
        waiting.retry_s = min(2 * waiting.retry_s, self._retry_s_max)

    def _of(self, meter: MeterOnLine) -> list[Waiting]:
        return [each for each in self._waiting.values() if each.meter.meter == meter.meter]

    def _is_first(self, waiting: Waiting) -> bool:
        return all(each.arrival >= waiting.arrival for each in self._of(waiting.meter))

    def _find(self, command: Command) -> MeterOnLine | None:
        """The meter that a command is for; None if it is not here, or not where the ledger has it.

        The ledger goes by addresses, so a meter that the registry does not name yet is the one at its address. One that
        the registry has elsewhere is nobody's: its frames are charged to another account, or its relay is another's.
        """
        named = self._named.get(command.meter)
        if not command.address:
            return named
        address = int(command.address) if command.address.isdecimal() else -1
        there = self._at_address.get((command.template, address))
        return there if named is None or named is there else None
