"""The group's fitter: takes meters off, reads their display, has the office book it, and fits the next ones.

    taken off -> order booked -> new meter on the line -> registry names it

The new meter answers nobody before its order had time to reach the ledger: it may have the old one's address, and its
register is another one.
"""

from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import structlog

from infra.fleet.fleet import Fleet
from infra.fleet.meter import AWAY, Control
from infra.fleet.orders import Order, replacement
from infra.fleet.property import Swap

log = structlog.get_logger(__name__)

READING_OFF_MS: Final = 300_000
"""From taking a meter off to the time of its final. What the collector reads of it is stamped when it arrives, which is
a moment later than it was true: none of that may be of a time at which the new meter is the one at that address."""
FITTING_MS: Final = 600_000
"""From the booking of an order until the new meter is on the line."""


class SleepsUntil(Protocol):
    """Waits for a virtual time."""

    async def __call__(self, at_ms: int) -> None: ...


class Fitter:
    """Does a fleet's swaps, each when its time has come; one that a kill interrupted goes on.

    Args:
        book: Has an order booked; returns when it is.
        announce: Tells the collector which meters are there now.
    """

    def __init__(self, fleet: Fleet, *, book: Callable[[Order], Awaitable[None]], announce: Callable[[], None]) -> None:
        self._fleet = fleet
        self._book = book
        self._announce = announce

    async def swap(self, swap: Swap, sleep_until: SleepsUntil) -> None:
        """Do one swap, from where it stands."""
        old, successor = self._fleet.meters[swap.meter], self._fleet.meters[swap.successor]
        if not successor.control.is_away:
            return
        await sleep_until(swap.at_ms)
        self._fleet.set_control(old, AWAY)
        at_ms = old.changed_at_ms + READING_OFF_MS
        await sleep_until(at_ms)
        order = replacement(old.spec, final_wh=old.display_wh(at_ms), at_ms=at_ms, successor=successor.spec)
        # Sent again after a kill it is refused: that meter is no longer in use.
        await self._book(order)
        await sleep_until(self._fleet.now_ms() + FITTING_MS)
        self._fleet.set_control(successor, Control())
        self._announce()
        log.info("meter replaced", meter=swap.meter, successor=swap.successor)
