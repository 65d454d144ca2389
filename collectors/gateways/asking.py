"""How meters are asked: what is asked again, who is passed over, and what is not asked for any more."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from collectors.gateways.gathering import Gathering
from collectors.gateways.line import Item, Line, LineAway, LineError, NoAnswer, Refused
from collectors.gateways.line_clocks import LineClocks
from collectors.gateways.pace import Clock, Pace
from collectors.gateways.untold import Untold
from collectors.registry import GatewayPlan, MeterOnLine

log = structlog.get_logger(__name__)

_NEEDED = frozenset({Item.ENERGY, Item.RELAY})
"""What every meter answers whose template has it; one that does not is silent."""
_GONE_AFTER = 2
"""Items without an answer, one after the other, after which a meter is not asked for more in this round."""


@dataclass(slots=True)
class _Heard:
    """What a meter answered, and when its register came, ms."""

    read_at: int = 0
    frames: list[tuple[Item, bytes]] = field(default_factory=list)


class Asking:
    """Asks a gateway's meters one after the other, and remembers who keeps silent and what is not told."""

    def __init__(self, plan: GatewayPlan, line: Line, clocks: LineClocks, *, clock: Clock, pace: Pace) -> None:
        self._plan = plan
        self._line = line
        self._clocks = clocks
        self._clock = clock
        self._pace = pace
        self._meters = {meter.meter: meter for meter in plan.meters}
        self._untold = Untold()
        self.silent: dict[str, None] = {}
        """Meters that did not answer when they were last asked, the one asked longest ago first."""

    def in_order(self) -> list[MeterOnLine]:
        """All meters, those that were silent last time behind the others."""
        silent = [self._meters[meter] for meter in self.silent]
        return [meter for meter in self._plan.meters if meter.meter not in self.silent] + silent

    async def gather(
        self, meters: Sequence[MeterOnLine], into: Gathering, *, round_number: int | None = None
    ) -> Sequence[MeterOnLine]:
        """Ask meters, one after the other; those that were not asked because the line was lost.

        Args:
            round_number: Of the round, by which some have their turn to tell what is asked seldom; None: nobody has.
        """
        silent = 0
        for place, meter in enumerate(meters):
            heard = _Heard()
            in_turn = round_number is not None and (round_number + meter.address) % self._pace.events_every == 0
            try:
                await self._hear(meter, heard, into, in_turn=in_turn)
            except LineAway:
                return meters[place:]
            except NoAnswer:
                silent += not heard.frames
            except LineError as error:
                log.debug("no reading", gateway=self._plan.gateway, meter=meter.meter, error=str(error))
            if heard.frames:
                silent = 0
                into.add(meter, heard.read_at, heard.frames)
                if in_turn:
                    await self._clocks.try_measure(meter)
            if silent >= self._pace.silent_meters:
                log.warning("gateway silent", gateway=self._plan.gateway, after=meter.meter)
                break
        return ()

    async def reach(self, meter: MeterOnLine) -> bool:
        """Whether a meter can be commanded now: a command is claimed only when somebody is there to take it."""
        try:
            await self._line.ask(meter, Item.ENERGY if meter.template.relay is None else Item.RELAY)
        except Refused:
            # It answers; that it does not tell its relay is no reason not to command it.
            pass
        except LineError as error:
            log.info("command waits", gateway=self._plan.gateway, meter=meter.meter, error=str(error))
            if isinstance(error, NoAnswer):
                self.silent.setdefault(meter.meter)
            return False
        self.silent.pop(meter.meter, None)
        return True

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
                log.debug("not told", gateway=self._plan.gateway, meter=meter.meter, item=item, error=str(error))
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

    async def _ask(self, meter: MeterOnLine, item: Item, into: Gathering, *, needed: bool) -> bytes:
        """An answer's bytes, asked for again where the line was to blame.

        Args:
            needed: Whether a meter that is there answers this for sure.
        Raises:
            LineError: There is none; `silent` has the meter if it was needed and not heard at all.
        """
        tries = 1 if meter.meter in self.silent else self._pace.tries
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
                    self.silent.pop(meter.meter, None)
                    self.silent[meter.meter] = None
                raise
            self.silent.pop(meter.meter, None)
            return answer
        raise AssertionError("a pace has at least one try")
