"""One gateway's session: its rounds on schedule, its commands at once, on the one line it has."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Protocol

import structlog

from collectors.gateways.command import Command, CommandBook
from collectors.gateways.line import Item, Line, LineAway, LineError, NoAnswer, Refused
from collectors.registry import GatewayPlan, MeterOnLine
from collectors.wire.round import Block, Round

log = structlog.get_logger(__name__)

METER_ZONE = timezone(timedelta(hours=8))
"""The clocks of meters, by which DL/T645 deadlines are meant."""


class Clock(Protocol):
    def now_ms(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How a session paces itself, in real seconds.

    Attributes:
        interval_s: From the beginning of a round to that of the next.
        tries: Requests for one item before the meter is passed over in this round.
        silent_meters: Meters silent one after the other that make the rest of a round not worth waiting for.
        retry_s: Before a command is tried again on a line that is away.
    """

    interval_s: float
    tries: int = 2
    silent_meters: int = 3
    retry_s: float = 0.5


@dataclass(slots=True)
class Answers:
    """What the meters of a round answered, item by item."""

    meters: list[MeterOnLine]
    read_at: list[int]
    frames: list[bytes]


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
        publish: Callable[[Round], Awaitable[None]],
    ) -> None:
        self.plan = plan
        self._line = line
        self._clock = clock
        self._pace = pace
        self._book = book
        self._publish = publish
        self._meters = {meter.meter: meter for meter in plan.meters}
        self._pending: dict[str, Command] = {}
        self._ordered = asyncio.Event()

    async def run(self) -> None:
        """Serve the gateway until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._run_rounds())
            tasks.create_task(self._run_commands())

    def order(self, command: Command) -> None:
        """Have a command carried out as soon as the line is free; a later one of the meter takes its place."""
        waiting = self._pending.get(command.meter)
        if waiting is None or waiting.sequence < command.sequence:
            self._pending[command.meter] = command
            self._ordered.set()

    async def read(self, meters: Sequence[MeterOnLine]) -> Round | None:
        """Ask meters for all items, each meter's together; None if none answered."""
        answers = {(meter.template.name, item): Answers([], [], []) for meter in meters for item in Item}
        silent = 0
        for meter in meters:
            read_at = 0
            for item in Item:
                frame = await self._ask(meter, item)
                if frame is None:
                    silent += item is Item.ENERGY
                    break
                silent = 0
                # Both items of a meter are of one moment, that of its register.
                read_at = read_at or self._clock.now_ms()
                into = answers[meter.template.name, item]
                into.meters.append(meter)
                into.read_at.append(read_at)
                into.frames.append(frame)
            if silent >= self._pace.silent_meters:
                log.warning("gateway silent", gateway=self.plan.gateway, after=meter.meter)
                break
        blocks = tuple(
            Block.of_frames(template, item, [meter.address for meter in found.meters], found.read_at, found.frames)
            for (template, item), found in answers.items()
            if found.frames
        )
        return Round(self.plan.site, self.plan.gateway, self._clock.now_ms(), blocks) if blocks else None

    async def _ask(self, meter: MeterOnLine, item: Item) -> bytes | None:
        """An answer's bytes, tried again where the line was to blame; None if there is none."""
        for _ in range(self._pace.tries):
            try:
                return await self._line.ask(meter, item)
            except (LineAway, Refused) as error:
                log.debug("no reading", gateway=self.plan.gateway, meter=meter.meter, error=str(error))
                return None
            except LineError as error:
                log.debug("no reading yet", gateway=self.plan.gateway, meter=meter.meter, error=str(error))
        return None

    async def _run_rounds(self) -> None:
        """Round after round, each gateway at its own place in the interval, so that they spread over it."""
        loop = asyncio.get_running_loop()
        interval_s = self._pace.interval_s
        # The place is the gateway's own and the same after every start.
        due = loop.time() + random.Random(self.plan.gateway).random() * interval_s
        while True:
            await asyncio.sleep(max(0.0, due - loop.time()))
            taken = await self.read(self.plan.meters)
            if taken is not None:
                await self._publish(taken)
            missed = int((loop.time() - due) // interval_s)
            if missed:
                log.warning("rounds missed", gateway=self.plan.gateway, rounds=missed)
            due += (missed + 1) * interval_s

    async def _run_commands(self) -> None:
        while True:
            await self._ordered.wait()
            self._ordered.clear()
            for meter, command in list(self._pending.items()):
                if await self._carry_out(command) and self._pending.get(meter) is command:
                    del self._pending[meter]
            if self._pending:
                await asyncio.sleep(self._pace.retry_s)
                self._ordered.set()

    async def _carry_out(self, command: Command) -> bool:
        """Send a command; False if it has to wait for the line."""
        meter = self._meters.get(command.meter)
        told = {"gateway": self.plan.gateway, "meter": command.meter, "sequence": command.sequence}
        if meter is None:
            log.warning("command for a meter that is not here", **told)
            return True
        if command.expires_ms <= self._clock.now_ms():
            log.warning("command expired", **told)
            return True
        if command.sequence <= self._book.sent(command.meter):
            log.info("command was sent before", **told)
            return True
        if not await self._reachable(meter):
            return False
        if not self._book.claim(command):
            return True
        try:
            deadline = datetime.fromtimestamp(command.expires_ms // 1000, UTC).astimezone(METER_ZONE)
            await self._line.command(meter, command.action, deadline=deadline)
            log.info("command accepted", action=command.action, **told)
        except LineError as error:
            # It may have been carried out all the same; it is not sent again under this sequence.
            log.warning("command not accepted", action=command.action, error=str(error), **told)
        taken = await self.read([meter])
        if taken is not None:
            await self._publish(taken)
        return True

    async def _reachable(self, meter: MeterOnLine) -> bool:
        """Whether a meter can be commanded now: a command is claimed only when somebody is there to take it."""
        try:
            await self._line.ask(meter, Item.RELAY)
        except (LineAway, NoAnswer) as error:
            log.info("command waits", gateway=self.plan.gateway, meter=meter.meter, error=str(error))
            return False
        except LineError:
            return False
        return True

