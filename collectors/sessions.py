"""The sessions of all gateways, and the registry that says which there are: a further one changes those that differ."""

import asyncio
from collections.abc import Callable, Collection
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
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def __contains__(self, gateway: object) -> bool:
        return gateway in self._running

    def order(self, command: Command) -> None:
        """Hand a command to the session of its gateway."""
        running = self._running.get(command.gateway)
        if running is None:
            log.warning("command for a gateway that has gone", **command.told())
            self._report(command, Outcome.MISPLACED, "the registry has no such gateway any more", b"")
            return
        running.session.order(command)

    async def take(self, registry: Registry) -> None:
        """Have the gateways of a registry served, and no others; those that it has as they were go on undisturbed."""
        plans = {plan.gateway: plan for plan in registry.gateways}
        async with self._changing:
            gone = [gateway for gateway, running in self._running.items() if plans.get(gateway) != running.session.plan]
            # First, so that none of them calls into a line that is being closed.
            self._expect(self._running.keys() - set(gone))
            waiting = [command for gateway in gone for command in await self._end(gateway)]
            opened = [plan for gateway, plan in plans.items() if gateway not in self._running]
            for plan in opened:
                self._open(plan)
            self._expect(self._running.keys())
            # What nobody had carried out yet is the new session's.
            for command in waiting:
                self.order(command)
        log.info(
            "gateways served",
            gateways=len(plans),
            meters=sum(len(plan.meters) for plan in registry.gateways),
            begun=len(opened),
            ended=len(gone),
        )

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

    async def _end(self, gateway: str) -> list[Command]:
        """End a session behind the command that it is carrying out; the commands that still wait."""
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
