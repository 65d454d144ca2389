"""The sessions of all gateways, and the registry that says which there are: a further one changes those that differ."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from collectors.gateways.command import Command
from collectors.gateways.dial_in_line import DialInLine, DialInListener
from collectors.gateways.line import Line
from collectors.gateways.modbus_line import ModbusLine
from collectors.gateways.polled_line import PolledLine
from collectors.gateways.report import Outcome, ReportCommand, report_nothing
from collectors.gateways.session import GatewaySession
from collectors.gateways.waiting import Waiting
from collectors.registry import GatewayPlan, Registry

log = structlog.get_logger(__name__)

OpenSession = Callable[[GatewayPlan, Line], GatewaySession]
LINE_TIMEOUT_S: Final = 1.0
"""For an answer, real: what a meter takes at most, and what its gateway and the way to it add."""


@dataclass(frozen=True, slots=True)
class _Running:
    """A gateway's session, the line that it has and the task that it runs in."""

    session: GatewaySession
    line: Line
    task: asyncio.Task[None]


class Sessions:
    """A session and a line for each gateway of the registry.

    Attributes:
        failure: Never done, unless a session fails, which is a bug: then it has its exception.
    """

    def __init__(
        self,
        open_session: OpenSession,
        listener: DialInListener,
        *,
        report: ReportCommand = report_nothing,
        line_timeout_s: float = LINE_TIMEOUT_S,
    ) -> None:
        self._open_session = open_session
        self._line_timeout_s = line_timeout_s
        self._listener = listener
        self._report = report
        self._running: dict[str, _Running] = {}
        self._changing = asyncio.Lock()
        self._served: frozenset[str] = frozenset()
        """The gateways of the registry, also those whose session is being changed."""
        self._homes: dict[tuple[str, str], str] = {}
        """The gateway of each meter of the registry, by site and meter."""
        self._held: dict[str, list[Command]] = {}
        """Commands that came for a gateway while its session is being changed."""
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def __contains__(self, gateway: object) -> bool:
        return gateway in self._served

    def order(self, command: Command) -> None:
        """Hand a command to the session of its gateway.

        One for a meter that the registry has behind another gateway is nobody's: another one hangs at its address.
        """
        if command.gateway in self._held:
            self._held[command.gateway].append(command)
            return
        if self._is_elsewhere(command):
            self._misplace(command, "the registry has the meter behind another gateway")
            return
        running = self._running.get(command.gateway)
        if running is None:
            self._misplace(command, "the registry has no such gateway any more")
            return
        running.session.order(command)

    def _misplace(self, command: Command, why: str) -> None:
        log.warning("command for a meter that is not there", why=why, **command.told())
        self._report(command, Outcome.MISPLACED, why, b"")

    async def take(self, registry: Registry) -> None:
        """Have the gateways of a registry served, and no others; those that it has as they were go on undisturbed."""
        plans = {plan.gateway: plan for plan in registry.gateways}
        async with self._changing:
            gone = [gateway for gateway, running in self._running.items() if plans.get(gateway) != running.session.plan]
            opened = [plan for gateway, plan in plans.items() if gateway in gone or gateway not in self._running]
            # From here on nothing is handed to a session that ends, nor by what the registry said before.
            self._held = {gateway: [] for gateway in {*gone, *(plan.gateway for plan in opened)}}
            self._served = frozenset(plans)
            self._homes = {(plan.site, meter.meter): plan.gateway for plan in plans.values() for meter in plan.meters}
            # Before that, so that none of them calls into a line that is being closed.
            self._expect(self._running.keys() - set(gone))
            ended = await asyncio.gather(*(self._end(gateway) for gateway in gone))
            for plan in opened:
                self._open(plan)
            self._expect(self._running.keys())
            held, self._held = self._held, {}
            for running in self._running.values():
                running.session.give_up(self._is_elsewhere, "the registry has the meter behind another gateway")
            # What nobody had carried out yet is the new session's; what came meanwhile is behind it.
            for waiting in (each for session in ended for each in session):
                if self._is_changed(waiting, plans):
                    self._misplace(waiting.command, "the registry has another meter at this address since")
                else:
                    self.order(waiting.command)
            for command in (command for commands in held.values() for command in commands):
                self.order(command)
        log.info(
            "gateways served",
            gateways=len(plans),
            meters=sum(len(plan.meters) for plan in registry.gateways),
            begun=len(opened),
            ended=len(gone),
        )

    def _is_elsewhere(self, command: Command) -> bool:
        return self._homes.get((command.site, command.meter), command.gateway) != command.gateway

    @staticmethod
    def _is_changed(waiting: Waiting, plans: Mapping[str, GatewayPlan]) -> bool:
        """Whether another meter is where a command that waits was to go."""
        plan, meter = plans.get(waiting.command.gateway), waiting.meter
        there = () if plan is None else plan.meters
        at_address = (
            each for each in there if (each.template.name, each.address) == (meter.template.name, meter.address)
        )
        # A successor that the ledger knew first may have come to the registry by now.
        return any(each.meter not in (meter.meter, waiting.command.meter) for each in at_address)

    async def close(self) -> None:
        """End all sessions and let go of their lines."""
        async with self._changing:
            for running in self._running.values():
                running.task.cancel()
            await asyncio.gather(*(running.task for running in self._running.values()), return_exceptions=True)
            for running in self._running.values():
                await running.line.close()
            self._running.clear()

    def _expect(self, gateways: Collection[str]) -> None:
        """Have calls of these gateways taken."""
        lines: dict[str, DialInLine] = {}
        acrel = set()
        for gateway in gateways:
            plan, line = self._running[gateway].session.plan, self._running[gateway].line
            if isinstance(line, DialInLine):
                lines[plan.registration] = line
                if plan.link == "acrel-4g":
                    acrel.add(plan.registration)
        self._listener.expect(lines, acrel=frozenset(acrel))

    def _open(self, plan: GatewayPlan) -> None:
        line = _line(plan, self._line_timeout_s)
        session = self._open_session(plan, line)
        task = asyncio.create_task(session.run(), name=plan.gateway)
        task.add_done_callback(self._note_failure)
        self._running[plan.gateway] = _Running(session, line, task)

    async def _end(self, gateway: str) -> list[Waiting]:
        """End a session behind the command that it is carrying out; what still waits."""
        running = self._running[gateway]
        waiting = await running.session.end(running.task)
        await running.line.close()
        del self._running[gateway]
        return waiting

    def _note_failure(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None and not self.failure.done():
            self.failure.set_exception(error)


def _line(plan: GatewayPlan, timeout_s: float) -> Line:
    if plan.link == "modbus-tcp":
        return ModbusLine(plan.host, plan.port, timeout_s=timeout_s)
    if plan.is_polled:
        return PolledLine(plan.host, plan.port, timeout_s=timeout_s)
    return DialInLine(timeout_s=timeout_s)
