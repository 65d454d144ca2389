"""One gateway's session: its rounds on schedule, its commands at once, on the one line it has."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from collectors.gateways.asking import Asking
from collectors.gateways.carrying import Carried, Carrying
from collectors.gateways.clock_book import ClockBook
from collectors.gateways.command import Command, CommandBook
from collectors.gateways.gathering import Gathering
from collectors.gateways.line import Action, Line
from collectors.gateways.line_clocks import LineClocks
from collectors.gateways.pace import Clock, Pace, place_in_interval
from collectors.gateways.report import Outcome, ReportCommand, report_nothing
from collectors.gateways.unsupported import why_unsupported
from collectors.gateways.waiting import Waiting, WaitingCommands
from collectors.registry import GatewayPlan, MeterOnLine
from collectors.wire.round import Round

log = structlog.get_logger(__name__)

_CARRIED_OUT = frozenset(action.value for action in Action)


class GatewaySession:
    """Reads a gateway's meters round by round and carries commands out between two requests.

    The line takes one request after the other in the order of asking, so a command waits for one answer at most. After
    a command its meter is read again at once: only what it says then tells what it did.
    """

    def __init__(
        self,
        plan: GatewayPlan,
        line: Line,
        *,
        clock: Clock,
        pace: Pace,
        book: CommandBook,
        clocks: ClockBook,
        may_set_clocks: Callable[[], bool] = lambda: True,
        publish: Callable[[Round], Awaitable[None]],
        report: ReportCommand = report_nothing,
    ) -> None:
        self.plan = plan
        self._line = line
        self._clock = clock
        self._pace = pace
        self._publish = publish
        self._report = report
        self._clocks = LineClocks(plan, line, clock=clock, book=clocks, may_set=may_set_clocks)
        self._asking = Asking(plan, line, self._clocks, clock=clock, pace=pace)
        self._waiting = WaitingCommands(plan, retry_s=pace.retry_s, retry_s_max=pace.retry_s_max, report=report)
        self._carrying = Carrying(
            line, self._asking, self._clocks, clock=clock, book=book, waiting=self._waiting, report=report
        )
        self._is_carrying = asyncio.Lock()
        """Held while a command is carried out."""
        self._rounds = 0
        self._gathering: Gathering | None = None
        self._left: Sequence[MeterOnLine] = ()
        """Of the running round, the meters that were not asked because the line was lost."""

    async def run(self) -> None:
        """Serve the gateway until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._run_rounds())
            tasks.create_task(self._run_commands())

    def give_up(self, which: Callable[[Command], bool], why: str) -> None:
        """Drop the commands that wait and of which `which` says so, as misplaced."""
        self._waiting.give_up(which, why)

    async def end(self, task: asyncio.Task[None]) -> list[Waiting]:
        """End the task that `run` is in, but not amid a command, which might be carried out and not be reported.

        Returns:
            What waits and was not sent.
        """
        async with self._is_carrying:
            task.cancel()
        await asyncio.wait({task})
        return self._waiting.all()

    def order(self, command: Command) -> None:
        """Have a command carried out as soon as the line is free; a later one of the meter takes its place."""
        if command.action not in _CARRIED_OUT:
            log.warning("command not supported", **command.told())
            self._report(command, Outcome.UNSUPPORTED, why_unsupported(command), b"")
            return
        self._waiting.add(command)

    async def read_round(self) -> Round | None:
        """Ask all meters, those that were silent last time behind the others; None if none answered.

        What was read so far goes out early if a command comes in between (see `_read_after_command`); this returns the
        rest.
        """
        self._rounds += 1
        return await self._read_on(self._asking.in_order())

    async def _read_on(self, meters: Sequence[MeterOnLine]) -> Round | None:
        """Ask these meters as a round, or the rest of one; `_left` has those that the line was lost for."""
        self._gathering = Gathering(self.plan)
        try:
            self._clocks.begin_round()
            self._left = await self._asking.gather(meters, self._gathering, round_number=self._rounds)
            await self._clocks.tend()
            return self._gathering.take(self._clock.now_ms())
        finally:
            self._gathering = None

    async def read(self, meters: Sequence[MeterOnLine]) -> Round | None:
        """Ask meters for all items but counts of events, each meter's together; None if none answered."""
        gathering = Gathering(self.plan)
        await self._asking.gather(meters, gathering)
        return gathering.take(self._clock.now_ms())

    async def _run_rounds(self) -> None:
        """Round after round, each gateway at its own place in the interval, so that they spread over it."""
        loop = asyncio.get_running_loop()
        interval_s = self._pace.interval_s
        due = loop.time() + (place_in_interval(self.plan.gateway) * interval_s - loop.time()) % interval_s
        while True:
            await asyncio.sleep(max(0.0, due - loop.time()))
            taken = await self.read_round()
            if taken is not None:
                await self._publish(taken)
            missed = int((loop.time() - due) // interval_s)
            if missed:
                log.warning("rounds missed", gateway=self.plan.gateway, rounds=missed)
            due += (missed + 1) * interval_s
            # A gateway that lost its line is read to the end once it has called again, not a whole interval later.
            while self._left and await self._is_back(before=due):
                taken = await self._read_on(self._left)
                if taken is not None:
                    await self._publish(taken)

    async def _is_back(self, *, before: float) -> bool:
        """Whether the gateway called again before a moment of the loop's clock."""
        try:
            async with asyncio.timeout_at(before):
                return await self._line.back()
        except TimeoutError:
            return False

    async def _run_commands(self) -> None:
        """One command after the other; those of meters that are known to be silent come last, and ever less often."""
        while True:
            waiting = await self._waiting.next(last=self._asking.silent)
            async with self._is_carrying:
                carried = await self._carrying.carry_out(waiting)
                if carried is Carried.WAITS:
                    self._waiting.put_off(waiting)
                    continue
                if carried is Carried.SENT:
                    await self._read_after_command(waiting.meter)
                self._waiting.settle(waiting)

    async def _read_after_command(self, meter: MeterOnLine) -> None:
        """Read a meter again and hand that out at once.

        What the running round has read so far goes out first: else an earlier reading of this meter would reach the
        ledger after the later one.
        """
        taken = await self.read([meter])
        early = None if self._gathering is None else self._gathering.take(self._clock.now_ms())
        for each in (early, taken):
            if each is not None:
                await self._publish(each)
