"""What is wrong with a meter by its own account, theft and health: which conditions it shows, and since when.

A condition is there or not, as a status word tells; of some a meter counts the events instead, and every further one is
a rise of it. They move neither money nor supply. State is a row a meter, with a page of its own once anything was told.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.core.localtime import LONG_AGO_MS
from streams.core.told import UNTOLD


class Condition(StrEnum):
    """What a meter can show of itself; also the kinds of the alarms. Its place here is its bit in a column."""

    VOLTAGE_LOST = "voltage_lost"
    """On a phase in which current flows."""
    POWER_REVERSED = "power_reversed"
    COVER_OPENED = "cover_opened"
    TERMINAL_COVER_OPENED = "terminal_cover_opened"
    MAGNETIC_FIELD = "magnetic_field"
    """A strong one."""
    CLOCK_BATTERY = "clock_battery"
    """Low."""
    BATTERY = "battery"
    """Low: the one by which the meter works or is read."""
    OVERLOAD = "overload"
    MALIGNANT_LOAD = "malignant_load"


CONDITIONS: Final = tuple(Condition)
EVENTS: Final = (Condition.COVER_OPENED, Condition.TERMINAL_COVER_OPENED, Condition.MAGNETIC_FIELD)
"""Conditions of which meters count the events, in the places of a column."""


def bit_of(condition: Condition) -> int:
    """A condition's bit in a column of readings."""
    return 1 << CONDITIONS.index(condition)


class Conditions:
    """The meters of one site, by running number.

    Attributes:
        there: Conditions that a meter showed last, as bits.
        events: [meter][place in `EVENTS`] counts that it told last, `UNTOLD` where it never did.
        since: The `read_at` of the reading that changed them last, ms; older ones say nothing any more.
    """

    def __init__(self) -> None:
        self.there: NDArray[np.int64] = np.zeros(0, np.int64)
        self.events: NDArray[np.int64] = np.zeros((0, len(EVENTS)), np.int64)
        self.since: NDArray[np.int64] = np.zeros(0, np.int64)
        self.dirty: set[int] = set()

    def reach(self, meters: int) -> None:
        """Have a row for so many meters."""
        more = meters - len(self.there)
        if more > 0:
            self.there = np.append(self.there, np.zeros(more, np.int64))
            self.events = np.append(self.events, np.full((more, len(EVENTS)), UNTOLD), axis=0)
            self.since = np.append(self.since, np.full(more, LONG_AGO_MS))

    def take(self, meter: int, *, there: int, events: list[int], read_at: int) -> tuple[Condition, ...]:
        """Take in what a reading tells, `UNTOLD` where it does not; the conditions that have risen.

        The first count that a meter tells is where counting begins: what was before belongs to nobody here.
        """
        if read_at <= self.since[meter]:
            return ()
        known, counts = int(self.there[meter]), self.events[meter].tolist()
        now = known if there == UNTOLD else there
        told = [count if told == UNTOLD else told for count, told in zip(counts, events, strict=True)]
        if (now, told) == (known, counts):
            return ()
        grown = {
            condition
            for condition, before, after in zip(EVENTS, counts, told, strict=True)
            if before != UNTOLD and after > before
        }
        self.there[meter], self.events[meter], self.since[meter] = now, told, read_at
        self.dirty.add(meter)
        return tuple(each for each in CONDITIONS if each in grown or now & ~known & bit_of(each))

    def record(self, meter: int) -> dict[str, Any]:
        """A meter's row as JSON-like values."""
        there, counts = int(self.there[meter]), self.events[meter].tolist()
        return {
            "since": int(self.since[meter]),
            "there": [condition for condition in CONDITIONS if there & bit_of(condition)],
            "events": {event: count for event, count in zip(EVENTS, counts, strict=True) if count != UNTOLD},
        }

    def recall(self, meter: int, record: Mapping[str, Any]) -> None:
        """Take back what `record` wrote."""
        self.reach(meter + 1)
        self.since[meter] = record["since"]
        self.there[meter] = sum(bit_of(Condition(name)) for name in record["there"])
        for name, count in record["events"].items():
            self.events[meter, EVENTS.index(Condition(name))] = count
