"""When the clocks of a gateway's meters are to be set, by what was measured of them."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Final

from collectors.gateways.clock_book import ClockBook, MeterClock
from collectors.gateways.zone import METER_ZONE
from collectors.registry import GatewayPlan, MeterOnLine
from streams.core.localtime import day_of, minute_of_day

TOLERATED_MS: Final = 10_000
"""A clock that is off by no more is left alone: being read takes a second or two itself."""
SET_MAX_MS: Final = 300_000
"""One that is off by more is for somebody to look at: it may be the collector's that is wrong. What meters by DL/T645
take of a broadcast is said to end there too."""
_MIDNIGHT_MINUTES: Final = 10
"""So close to midnight no clock is set: no day must come twice or be left out, with its freeze and its bands."""
_DAY_MINUTES: Final = 1_440


class ClockCare:
    """Measured clocks of one gateway's meters."""

    def __init__(self, plan: GatewayPlan, book: ClockBook) -> None:
        self._plan = plan
        self._book = book
        self._known = book.of_gateway(plan.site, plan.gateway)
        self._measured: list[MeterClock] = []

    def note(self, meter: MeterOnLine, shown: datetime | None, *, at_ms: int) -> int | None:
        """Take what a meter's clock showed at a time; how far it is ahead, ms, None where that was no time."""
        drift_ms = None
        if shown is not None:
            shown_ms = int(shown.replace(tzinfo=METER_ZONE).timestamp() * 1000)
            # A clock of whole seconds is half of one behind what it shows, on average.
            drift_ms = shown_ms + 500 - at_ms
        before = self._known.get(meter.meter)
        set_ms = None if before is None else before.set_ms
        clock = MeterClock(self._plan.site, meter.meter, self._plan.gateway, at_ms, drift_ms, set_ms)
        self._known[meter.meter] = clock
        self._measured.append(clock)
        return drift_ms

    def keep(self) -> None:
        """Write down what was measured since the last time."""
        measured, self._measured = self._measured, []
        self._book.note(measured)

    def to_set(self, meters: Collection[MeterOnLine], now_ms: int) -> list[MeterOnLine]:
        """Of these meters those whose clocks are to be set now: off, but not by too much, and once a day."""
        if not _MIDNIGHT_MINUTES <= minute_of_day(now_ms) < _DAY_MINUTES - _MIDNIGHT_MINUTES:
            return []
        return [meter for meter in meters if self._is_due(meter.meter, now_ms)]

    def note_set(self, meters: Collection[MeterOnLine], now_ms: int) -> None:
        """Know that clocks were set."""
        names = [meter.meter for meter in meters]
        self._book.note_set(self._plan.site, names, now_ms)
        for name in names:
            known = self._known.get(name)
            if known is not None:
                self._known[name] = replace(known, set_ms=now_ms)

    def _is_due(self, name: str, now_ms: int) -> bool:
        clock = self._known.get(name)
        if clock is None or clock.drift_ms is None or not TOLERATED_MS < abs(clock.drift_ms) <= SET_MAX_MS:
            return False
        return clock.set_ms is None or day_of(clock.set_ms) != day_of(now_ms)
