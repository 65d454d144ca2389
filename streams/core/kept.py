"""Consumption that found no tariff in force, kept until one covers it, and its rows in pages."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

BY_TIME = -1
"""A part's band follows from the time of the day."""
REST = -2
"""A part is what no band register shows: it is of the band without ranges."""

_UP_TO_LAYOUT_2 = np.dtype([("t0", "<i8"), ("t1", "<i8"), ("consumption", "<i8"), ("start", "<i8"), ("end", "<i8")])
PART = np.dtype([*_UP_TO_LAYOUT_2.descr, ("band", "i1")])
"""A `Part` in a page: times in ms, `consumption` Wh or litres."""


class Part(NamedTuple):
    """Consumption kept without a price: what lies in (start, end) of an interval (t0, t1) of `consumption`."""

    t0: int
    t1: int
    consumption: int
    start: int
    end: int
    band: int = BY_TIME
    """The place of the meter's band register that it was read off, `BY_TIME` or `REST`."""

    @property
    def quantity(self) -> int:
        return self.upto(self.end) - (self.upto(self.start) if self.t0 != self.t1 else 0)

    def upto(self, at: int) -> int:
        """Consumption of the whole interval up to an instant in it: the floor of its share of the time."""
        if at >= self.t1:
            return self.consumption
        return self.consumption * (at - self.t0) // (self.t1 - self.t0)


def parts_page(parts: Sequence[Part]) -> bytes:
    """Parts as rows of a page."""
    return np.array([tuple(part) for part in parts], PART).tobytes()


def upgraded(page: bytes) -> bytes:
    """A page of layout 2 as one of today's."""
    old = np.frombuffer(page, _UP_TO_LAYOUT_2)
    rows = np.zeros(len(old), PART)
    for name in _UP_TO_LAYOUT_2.names or ():
        rows[name] = old[name]
    rows["band"] = BY_TIME
    return rows.tobytes()


def parts_of(pages: Iterable[bytes]) -> tuple[Part, ...]:
    """The parts that `parts_page` wrote, page after page."""
    return tuple(Part(*row) for page in pages for row in np.frombuffer(page, PART).tolist())
