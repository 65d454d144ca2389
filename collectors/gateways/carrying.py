"""How a command is carried out on a line: once, in time, and reported."""

from collections.abc import Callable
from enum import Enum

import structlog

from collectors.gateways.asking import Asking
from collectors.gateways.command import Command, CommandBook
from collectors.gateways.line import Action, Line, LineAway, LineError, Refused, Withdrawn
from collectors.gateways.line_clocks import LineClocks
from collectors.gateways.pace import Clock
from collectors.gateways.report import Outcome, ReportCommand
from collectors.gateways.unsupported import why_lacking
from collectors.gateways.waiting import Waiting, WaitingCommands
from collectors.gateways.zone import local_time
from collectors.registry import MeterOnLine

log = structlog.get_logger(__name__)


class Carried(Enum):
    """What became of a command for now."""

    SENT = "it went out, whatever the meter made of it"
    OVER = "nothing was sent, and nothing is to be"
    WAITS = "nobody was there to take it"


class Carrying:
    """Sends commands to a gateway's meters, each claimed in the book before the first byte goes out."""

    def __init__(
        self,
        line: Line,
        asking: Asking,
        clocks: LineClocks,
        *,
        clock: Clock,
        book: CommandBook,
        waiting: WaitingCommands,
        report: ReportCommand,
    ) -> None:
        self._line = line
        self._asking = asking
        self._clocks = clocks
        self._clock = clock
        self._book = book
        self._waiting = waiting
        self._report = report

    async def carry_out(self, waiting: Waiting) -> Carried:
        """Send a command, unless there is a reason not to, and report what came of it."""
        if self._is_over(waiting):
            return Carried.OVER
        command, meter = waiting.command, waiting.meter
        told = command.told()
        if not await self._asking.reach(meter):
            return Carried.WAITS

        def claim() -> bool:
            # Looking for the meter and for a free line took a while: a later command may say the contrary by now, or
            # the time be up. Only from here on nothing comes in between.
            in_time = self._clock.now_ms() < command.expires_ms
            return in_time and self._waiting.holds(waiting) and self._book.claim(command)

        try:
            answer = await self._order(command, meter, claim)
            log.info("command accepted", **told)
            self._report(command, Outcome.ACCEPTED, "", answer)
        except LineAway as error:
            log.info("command waits", error=str(error), **told)
            return Carried.WAITS
        except Withdrawn:
            log.info("command overtaken or expired", **told)
            if self._clock.now_ms() >= command.expires_ms:
                self._report(command, Outcome.EXPIRED, f"nothing was sent by {command.expires_at}", b"")
            # One that a later command overtook was reported when that came.
            return Carried.OVER
        except LineError as error:
            # It may have been carried out all the same; it is not sent again under this sequence.
            log.warning("command not accepted", error=str(error), **told)
            outcome = Outcome.REFUSED if isinstance(error, Refused) else Outcome.UNANSWERED
            self._report(command, outcome, str(error), b"")
        return Carried.SENT

    def _is_over(self, waiting: Waiting) -> bool:
        """Whether nothing of a command is to be sent; reports why."""
        command = waiting.command
        told = command.told()
        sent = self._book.sent(command.site, command.meter)
        lacking = why_lacking(command, waiting.meter)
        if command.sequence < sent:
            log.info("command was overtaken", **told)
            self._report(command, Outcome.OVERTAKEN, f"by sequence {sent}", b"")
        elif command.sequence == sent:
            log.info("command was sent before", **told)
            self._report(command, Outcome.UNKNOWN, "it was sent; what came of it was not noted", b"")
        elif command.expires_ms <= self._clock.now_ms():
            log.warning("command expired", **told)
            self._report(command, Outcome.EXPIRED, f"nothing was sent by {command.expires_at}", b"")
        elif lacking:
            log.warning("command for a meter that cannot", why=lacking, **told)
            self._report(command, Outcome.UNSUPPORTED, lacking, b"")
        else:
            return False
        return True

    async def _order(self, command: Command, meter: MeterOnLine, claim: Callable[[], bool]) -> bytes:
        """Have the line carry a command out; the bytes by which the meter accepts.

        Raises:
            LineError: As `Line.command`.
        """
        action = Action(command.action)
        if action is Action.SYNC_TIME:
            return await self._clocks.set_by_command(meter, claim)
        deadline = local_time(command.expires_ms)
        return await self._line.command(meter, action, deadline=deadline, claim=claim)
