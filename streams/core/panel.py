"""What the array path needs of each meter, side by side as columns: derived from pages and tariffs, never stored.

A meter's *cell* is the band, tier, month and tariff version that its next interval begins in, as far as that is known:
until `end`, and while the register is at or below `top`, what it uses costs `price` a unit. A reading inside its cell
needs one multiplication. A cell that is not known (the meter needs care, its tariff changed, the last cell was left)
has an `end` long ago; the next reading then takes the longer way, which finds the new cell.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.core.localtime import LONG_AGO_MS
from streams.core.outcome import READING, Source, Supply

NEVER = 255
"""`contrary` of a meter that had no command yet: nothing that it reports is answered."""


class Panel:
    """Columns by meter number; arrays are longer than the meters are many."""

    def __init__(self) -> None:
        self.end = np.full(0, LONG_AGO_MS, np.int64)
        self.top = np.zeros(0, np.int64)
        self.price = np.zeros(0, np.int64)
        self.ratio = np.ones(0, np.int64)
        self.tariff = np.zeros(0, np.int64)
        self.account = np.zeros(0, np.int64)
        self.contrary = np.full(0, NEVER, np.uint8)
        """The supply that a reading reports if the meter is not as desired."""
        self.place = np.zeros(0, np.int64)
        """Room to tell whether a meter occurs twice in a batch."""
        self.rows = np.zeros(0, READING)
        """Reading rows with meter, account and cell filled in."""
        self.reserve(1)

    def reserve(self, meters: int) -> None:
        """Make room for so many meters."""
        missing = meters - len(self.end)
        if missing > 0:
            more = max(missing, len(self.end), 256)
            self.end = np.append(self.end, np.full(more, LONG_AGO_MS, np.int64))
            self.contrary = np.append(self.contrary, np.full(more, NEVER, np.uint8))
            for name in ("top", "price", "ratio", "tariff", "account", "place"):
                setattr(self, name, np.append(getattr(self, name), np.zeros(more, np.int64)))
            rows = np.zeros(more, READING)
            rows["source"] = Source.FRAMES
            self.rows = np.concatenate([self.rows, rows])

    def mount(self, number: int, *, account: int, ratio: int, tariff: int) -> None:
        """Take over a meter's account, ratio and tariff; its cell is not known."""
        self.reserve(number + 1)
        self.account[number], self.ratio[number], self.tariff[number] = account, ratio, tariff
        self.rows["meter"][number], self.rows["account"][number] = number, account
        self.end[number] = LONG_AGO_MS

    def desire(self, number: int, *, off: bool) -> None:
        """Note what a meter's supply is to be, once it had a command."""
        self.contrary[number] = Supply.ON if off else Supply.OFF

    def leave_cell(self, number: int) -> None:
        """Forget a meter's cell."""
        self.end[number] = LONG_AGO_MS

    def leave_cells(self, meters: NDArray[np.integer[Any]] | None = None) -> None:
        """Forget the cells of some meters, or of all."""
        self.end[slice(None) if meters is None else meters] = LONG_AGO_MS

    def distinct(self, meters: NDArray[np.integer[Any]]) -> bool:
        """Whether no meter occurs twice."""
        order = _count_up(len(meters))
        self.place[meters] = order
        return bool((self.place[meters] == order).all())


_UP = np.arange(1 << 12)


def _count_up(count: int) -> NDArray[np.int64]:
    return _UP[:count] if count <= len(_UP) else np.arange(count)
