"""One gateway's session: its rounds on schedule, its commands at once, on the one line it has."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from collectors.gateways.clock_book import ClockBook
from collectors.gateways.clock_care import TOLERATED_MS, ClockCare
from collectors.gateways.command import Command, CommandBook
from collectors.gateways.gathering import Gathering
from collectors.gateways.line import Action, Item, Line, LineAway, LineError, NoAnswer, Refused, Withdrawn
from collectors.gateways.report import Outcome, ReportCommand, report_nothing
from collectors.gateways.unsupported import why_lacking, why_unsupported
from collectors.gateways.untold import Untold
from collectors.gateways.waiting import Waiting, WaitingCommands
from collectors.gateways.zone import local_time
from collectors.registry import GatewayPlan, MeterOnLine
from collectors.wire.clock import read_clock
from collectors.wire.errors import FrameError
from collectors.wire.round import Round

log = structlog.get_logger(__name__)

_CARRIED_OUT = frozenset(action.value for action in Action)
_NEEDED = frozenset({Item.ENERGY, Item.RELAY})
"""What every meter answers whose template has it; one that does not is silent."""
_GONE_AFTER = 2
"""Items without an answer, one after the other, after which a meter is not asked for more in this round."""


def place_in_interval(gateway: str) -> float:
    """Where in each interval, from 0 to 1, a gateway's round is due: its own, so that gateways spread over it.

    Intervals are those of the system's monotonic clock, so a collector that is started again asks in the same rhythm.
    """
    return random.Random(gateway).random()


class Clock(Protocol):
    def now_ms(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How a session paces itself, in real seconds.

    Attributes:
        interval_s: From the beginning of a round to that of the next.
        tries: Requests for one item before a meter is passed over in this round; one that was silent in the last is
            asked once.
        silent_meters: Meters silent one after the other that make the rest of a round not worth waiting for.
        retry_s: Before a command is tried again on a line that is away or a meter that is silent, doubled each time.
        retry_s_max: Between two tries of a command at most.
        events_every: Rounds from one in which a meter is asked for its counts of events to the next: they are a request
            each, and say as much an hour later. So with what it has not told for some rounds.
    """

    interval_s: float
    tries: int = 2
    silent_meters: int = 3
    retry_s: float = 0.5
    retry_s_max: float = 10.0
    events_every: int = 12


@dataclass(slots=True)
class _Heard:
    """What a meter answered, and when its register came, ms."""

    read_at: int = 0
    frames: list[tuple[Item, bytes]] = field(default_factory=list)


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
        self._book = book
        self._clocks = ClockCare(plan, clocks)
        self._may_set_clocks = may_set_clocks
        self._left: Sequence[MeterOnLine] = ()
        """Of the running round, the meters that were not asked because the line was lost."""
        self._in_turn: list[MeterOnLine] = []
        """The meters that were asked in this round for what is asked seldom, their clocks among it."""
        self._publish = publish
        self._meters = {meter.meter: meter for meter in plan.meters}
        self._report = report
        self._waiting = WaitingCommands(plan, retry_s=pace.retry_s, retry_s_max=pace.retry_s_max, report=report)
        self._silent: dict[str, None] = {}
        """Meters that did not answer when they were last asked, the one asked longest ago first."""
        self._gathering: Gathering | None = None
        self._rounds = 0
        self._carrying = asyncio.Lock()
        """Held while a command is carried out."""
        self._untold = Untold()

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
        async with self._carrying:
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
        silent = [self._meters[meter] for meter in self._silent]
        return await self._read_on([meter for meter in self.plan.meters if meter.meter not in self._silent] + silent)

    async def _read_on(self, meters: Sequence[MeterOnLine]) -> Round | None:
        """Ask these meters as a round, or the rest of one; `_left` has those that the line was lost for."""
        self._gathering = Gathering(self.plan)
        try:
            self._in_turn.clear()
            self._left = await self._gather(meters, self._gathering, events=True)
            await self._tend_clocks()
            return self._gathering.take(self._clock.now_ms())
        finally:
            self._gathering = None

    async def read(self, meters: Sequence[MeterOnLine]) -> Round | None:
        """Ask meters for all items but counts of events, each meter's together; None if none answered."""
        gathering = Gathering(self.plan)
        await self._gather(meters, gathering)
        return gathering.take(self._clock.now_ms())

    async def _gather(
        self, meters: Sequence[MeterOnLine], into: Gathering, *, events: bool = False
    ) -> Sequence[MeterOnLine]:
        """Ask meters, one after the other; those that were not asked because the line was lost.

        Args:
            events: Whether those whose turn it is in this round are asked for their counts of events.
        """
        silent = 0
        for place, meter in enumerate(meters):
            heard = _Heard()
            in_turn = events and (self._rounds + meter.address) % self._pace.events_every == 0
            try:
                await self._hear(meter, heard, into, in_turn=in_turn)
            except LineAway:
                return meters[place:]
            except NoAnswer:
                silent += not heard.frames
            except LineError as error:
                log.debug("no reading", gateway=self.plan.gateway, meter=meter.meter, error=str(error))
            if heard.frames:
                silent = 0
                into.add(meter, heard.read_at, heard.frames)
                if in_turn:
                    await self._try_clock(meter)
            if silent >= self._pace.silent_meters:
                log.warning("gateway silent", gateway=self.plan.gateway, after=meter.meter)
                break
        return ()

    async def _hear(self, meter: MeterOnLine, heard: _Heard, into: Gathering, *, in_turn: bool) -> None:
        """Ask a meter for all that it is to tell.

        A meter of its kind may have less to tell, and refuse the rest or keep silent: its register counts without that.

        Args:
            heard: Gets what it answers.
            in_turn: Whether it is asked for what is asked seldom, too.
        Raises:
            LineError: It did not answer what every meter answers, or the line was lost.
        """
        unanswered = 0
        for items in meter.template.requests(with_events=in_turn):
            item, needed = Item(items[0]), not _NEEDED.isdisjoint(items)
            if not needed and not self._untold.is_asked(meter.meter, item, in_turn=in_turn):
                continue
            try:
                answer = await self._ask(meter, item, into, needed=needed)
            except (Refused, NoAnswer) as error:
                is_silent = isinstance(error, NoAnswer)
                if Item.ENERGY in items or (needed and is_silent):
                    raise
                log.debug("not told", gateway=self.plan.gateway, meter=meter.meter, item=item, error=str(error))
                if not is_silent:
                    unanswered = 0
                elif self._untold.is_asked(meter.meter, item, in_turn=False):
                    # Of what is known not to be told, silence does not say that the meter has gone.
                    unanswered += 1
                self._untold.note(meter.meter, item, told=False)
                if unanswered == _GONE_AFTER:
                    break
                continue
            unanswered = 0
            self._untold.note(meter.meter, item, told=True)
            # All items of a meter are of one moment, that of its register.
            heard.read_at = heard.read_at or self._clock.now_ms()
            heard.frames += [(Item(name), answer) for name in items]

    async def _try_clock(self, meter: MeterOnLine) -> None:
        """Read a meter's clock, if it has one that is read; a meter that does not tell it is read all the same."""
        if meter.template.clock is None:
            return
        try:
            await self._measure_clock(meter)
        except LineError as error:
            log.debug("clock not told", gateway=self.plan.gateway, meter=meter.meter, error=str(error))

    async def _measure_clock(self, meter: MeterOnLine) -> int | None:
        """Read a meter's clock; how far it is ahead, ms, None where it shows no time.

        Raises:
            LineError: It does not tell, or not in good frames.
        """
        before_ms = self._clock.now_ms()
        answers = await self._line.ask_clock(meter)
        after_ms = self._clock.now_ms()
        try:
            shown = read_clock(answers, meter.template, meter.address)
        except FrameError as error:
            raise Refused(f"its clock cannot be read: {error}") from error
        self._in_turn.append(meter)
        drift_ms = self._clocks.note(meter, shown, at_ms=(before_ms + after_ms) // 2)
        if drift_ms is None or abs(drift_ms) > TOLERATED_MS:
            log.info("clock is off", gateway=self.plan.gateway, meter=meter.meter, drift_ms=drift_ms)
        return drift_ms

    async def _tend_clocks(self) -> None:
        """Set the clocks that were found to be off in this round, as far as they may be."""
        self._clocks.keep()
        due = self._clocks.to_set(self._in_turn, self._clock.now_ms()) if self._may_set_clocks() else []
        for meter in due:
            try:
                # One broadcast sets all of them.
                if self._clocks.to_set([meter], self._clock.now_ms()):
                    await self._set_clock(meter)
            except LineError as error:
                log.info("clock not set", gateway=self.plan.gateway, meter=meter.meter, error=str(error))

    async def _set_clock(self, meter: MeterOnLine, claim: Callable[[], bool] | None = None) -> bytes:
        """Set a meter's clock; where that is by a broadcast, all clocks of the line are set by it and count as set.

        Raises:
            LineError: As `Line.set_clock`.
        """
        answer = await self._line.set_clock(meter, lambda: local_time(self._clock.now_ms()), claim=claim)
        log.info("clock set", gateway=self.plan.gateway, meter=meter.meter)
        heard = [each for each in self.plan.meters if each.template.clock is not None] if not answer else [meter]
        self._clocks.note_set(heard, self._clock.now_ms())
        return answer

    async def _ask(self, meter: MeterOnLine, item: Item, into: Gathering, *, needed: bool) -> bytes:
        """An answer's bytes, asked for again where the line was to blame.

        Args:
            needed: Whether a meter that is there answers this for sure.
        Raises:
            LineError: There is none; `_silent` has the meter if it was needed and not heard at all.
        """
        tries = 1 if meter.meter in self._silent else self._pace.tries
        for left in range(tries - 1, -1, -1):
            try:
                answer = await self._line.ask(meter, item)
            except (LineAway, Refused):
                raise
            except LineError as error:
                if isinstance(error, NoAnswer):
                    for frame in error.damaged:
                        into.add_damaged(meter, item, self._clock.now_ms(), frame)
                if left:
                    continue
                if needed:
                    self._silent.pop(meter.meter, None)
                    self._silent[meter.meter] = None
                raise
            self._silent.pop(meter.meter, None)
            return answer
        raise AssertionError("a pace has at least one try")

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
            waiting = await self._waiting.next(last=self._silent)
            async with self._carrying:
                if await self._carry_out(waiting):
                    self._waiting.settle(waiting)
                else:
                    self._waiting.put_off(waiting)

    async def _carry_out(self, waiting: Waiting) -> bool:
        """Send a command; False if it has to wait for the line."""
        command, meter = waiting.command, waiting.meter
        told = command.told()
        sent = self._book.sent(command.site, command.meter)
        if command.sequence < sent:
            log.info("command was overtaken", **told)
            self._report(command, Outcome.OVERTAKEN, f"by sequence {sent}", b"")
            return True
        if command.sequence == sent:
            log.info("command was sent before", **told)
            self._report(command, Outcome.UNKNOWN, "it was sent; what came of it was not noted", b"")
            return True
        if command.expires_ms <= self._clock.now_ms():
            log.warning("command expired", **told)
            self._report(command, Outcome.EXPIRED, f"nothing was sent by {command.expires_at}", b"")
            return True
        lacking = why_lacking(command, meter)
        if lacking:
            log.warning("command for a meter that cannot", why=lacking, **told)
            self._report(command, Outcome.UNSUPPORTED, lacking, b"")
            return True
        if not await self._reachable(meter):
            return False

        def claim() -> bool:
            # Looking for the meter and for a free line took a while: a later command may say the contrary by now, or
            # the time be up. Only from here on nothing comes in between.
            in_time = self._clock.now_ms() < command.expires_ms
            return in_time and self._waiting.holds(waiting) and self._book.claim(command)

        try:
            answer = await self._send(command, meter, claim)
            log.info("command accepted", **told)
            self._report(command, Outcome.ACCEPTED, "", answer)
        except LineAway as error:
            log.info("command waits", error=str(error), **told)
            return False
        except Withdrawn:
            log.info("command overtaken or expired", **told)
            if self._clock.now_ms() >= command.expires_ms:
                self._report(command, Outcome.EXPIRED, f"nothing was sent by {command.expires_at}", b"")
            # One that a later command overtook was reported when that came.
            return True
        except LineError as error:
            # It may have been carried out all the same; it is not sent again under this sequence.
            log.warning("command not accepted", error=str(error), **told)
            outcome = Outcome.REFUSED if isinstance(error, Refused) else Outcome.UNANSWERED
            self._report(command, outcome, str(error), b"")
        await self._read_after_command(meter)
        return True

    async def _send(self, command: Command, meter: MeterOnLine, claim: Callable[[], bool]) -> bytes:
        """Have the line carry a command out; the bytes by which the meter accepts.

        Raises:
            LineError: As `Line.command`.
        """
        action = Action(command.action)
        if action is not Action.SYNC_TIME:
            deadline = local_time(command.expires_ms)
            return await self._line.command(meter, action, deadline=deadline, claim=claim)
        answer = await self._set_clock(meter, claim)
        # Nobody answers a broadcast, and a meter may take one a day alone: what its clock shows now is the answer.
        drift_ms = await self._measure_clock(meter)
        self._clocks.keep()
        if drift_ms is None or abs(drift_ms) > TOLERATED_MS:
            told = "shows no time" if drift_ms is None else f"is {drift_ms / 1000:+.0f} s off"
            raise Refused(f"its clock {told} after it was set")
        return answer

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

    async def _reachable(self, meter: MeterOnLine) -> bool:
        """Whether a meter can be commanded now: a command is claimed only when somebody is there to take it."""
        try:
            await self._line.ask(meter, Item.ENERGY if meter.template.relay is None else Item.RELAY)
        except Refused:
            # It answers; that it does not tell its relay is no reason not to command it.
            pass
        except LineError as error:
            log.info("command waits", gateway=self.plan.gateway, meter=meter.meter, error=str(error))
            if isinstance(error, NoAnswer):
                self._silent.setdefault(meter.meter)
            return False
        self._silent.pop(meter.meter, None)
        return True
