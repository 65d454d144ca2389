"""The clocks of the meters on a line: read between other requests, and set where they are off."""

from collections.abc import Callable

import structlog

from collectors.gateways.clock_book import ClockBook
from collectors.gateways.clock_care import TOLERATED_MS, ClockCare
from collectors.gateways.line import Line, LineError, Refused
from collectors.gateways.pace import Clock
from collectors.gateways.zone import local_time
from collectors.registry import GatewayPlan, MeterOnLine
from collectors.wire.clock import read_clock
from collectors.wire.errors import FrameError

log = structlog.get_logger(__name__)


class LineClocks:
    """Reads and sets the clocks of one gateway's meters; `ClockCare` says which."""

    def __init__(
        self, plan: GatewayPlan, line: Line, *, clock: Clock, book: ClockBook, may_set: Callable[[], bool]
    ) -> None:
        self._plan = plan
        self._line = line
        self._clock = clock
        self._care = ClockCare(plan, book)
        self._may_set = may_set
        self._measured: list[MeterOnLine] = []
        """The meters whose clocks were read in this round."""

    def begin_round(self) -> None:
        """Forget what the round before measured."""
        self._measured.clear()

    async def try_measure(self, meter: MeterOnLine) -> None:
        """Read a meter's clock, if it has one that is read; a meter that does not tell it is read all the same."""
        if meter.template.clock is None:
            return
        try:
            await self._measure(meter)
        except LineError as error:
            log.debug("clock not told", gateway=self._plan.gateway, meter=meter.meter, error=str(error))

    async def tend(self) -> None:
        """Set the clocks that were found to be off in this round, as far as they may be."""
        self._care.keep()
        due = self._care.to_set(self._measured, self._clock.now_ms()) if self._may_set() else []
        for meter in due:
            try:
                # One broadcast sets all of them.
                if self._care.to_set([meter], self._clock.now_ms()):
                    await self._set(meter)
            except LineError as error:
                log.info("clock not set", gateway=self._plan.gateway, meter=meter.meter, error=str(error))

    async def set_by_command(self, meter: MeterOnLine, claim: Callable[[], bool]) -> bytes:
        """Set a meter's clock and see that it is right then; the bytes by which the meter accepts.

        Raises:
            LineError: As `Line.set_clock`; `Refused` too where the clock is off afterwards.
        """
        answer = await self._set(meter, claim)
        # Nobody answers a broadcast, and a meter may take one a day alone: what its clock shows now is the answer.
        drift_ms = await self._measure(meter)
        self._care.keep()
        if drift_ms is None or abs(drift_ms) > TOLERATED_MS:
            told = "shows no time" if drift_ms is None else f"is {drift_ms / 1000:+.0f} s off"
            raise Refused(f"its clock {told} after it was set")
        return answer

    async def _measure(self, meter: MeterOnLine) -> int | None:
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
        self._measured.append(meter)
        drift_ms = self._care.note(meter, shown, at_ms=(before_ms + after_ms) // 2)
        if drift_ms is None or abs(drift_ms) > TOLERATED_MS:
            log.info("clock is off", gateway=self._plan.gateway, meter=meter.meter, drift_ms=drift_ms)
        return drift_ms

    async def _set(self, meter: MeterOnLine, claim: Callable[[], bool] | None = None) -> bytes:
        """Set a meter's clock; where that is by a broadcast, all clocks of the line are set by it and count as set.

        Raises:
            LineError: As `Line.set_clock`.
        """
        answer = await self._line.set_clock(meter, lambda: local_time(self._clock.now_ms()), claim=claim)
        log.info("clock set", gateway=self._plan.gateway, meter=meter.meter)
        heard = [each for each in self._plan.meters if each.template.clock is not None] if not answer else [meter]
        self._care.note_set(heard, self._clock.now_ms())
        return answer
