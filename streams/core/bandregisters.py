"""Registers that a meter has of its own for each band, as DL/T645 has for its tariffs: they say what was used when.

A consumption is always that of the meter's register for the whole; the band registers only share it out. They are cut
off separately, so together they can be some hundredths ahead of it: what is then left over of a band is not lost, for
each is followed from what was *charged* of it on, not from what it told last.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from streams.core.orders import NamedQuantities
from streams.core.told import BANDS_MAX, UNSOUND, UNTOLD
from streams.core.units import Quantity

STRANGE_ABOVE = 1_000
"""Band registers further ahead of the whole, Wh before the ratio, cannot come of cutting off."""


class BandShares(NamedTuple):
    """How a register difference is shared out, all before the ratio."""

    of_bands: tuple[int, ...]
    rest: int
    """What no band register shows."""
    after: "BandRegisters"
    strange: bool
    """Whether a band register fell, or they are ahead of the whole by more than cutting off explains."""


@dataclass(frozen=True, slots=True)
class BandRegisters:
    """A meter's band registers: the bands' names and how far each was charged, Wh."""

    names: tuple[str, ...]
    charged: tuple[int, ...]

    def in_places(self, given: Mapping[str, Quantity]) -> tuple[int, ...]:
        """What is told by name, in the places of the bands: Wh, `UNSOUND` where it cannot be, `UNTOLD` if left out."""
        if not given.keys() <= set(self.names):
            return (UNSOUND,) * len(self.names)
        found = (given.get(name) for name in self.names)
        scaled = (UNTOLD if register is None else register.scaled(3) for register in found)
        return tuple(UNSOUND if register is None else register for register in scaled)

    def share_out(self, difference: int, told: Sequence[int], *, digits: int, wrap: int) -> BandShares:
        """Share a difference of the register for the whole out, band by band in their order while there is any left.

        Args:
            difference: Wh, 0 or more.
            told: What each register shows, Wh.
            digits, wrap: The meter's, for all its registers.
        """
        left, ahead, fell = difference, 0, False
        taken: list[int] = []
        for charged, register in zip(self.charged, told, strict=True):
            advance = register_difference(charged, register, digits=digits, wrap=wrap)
            shown = 0 if advance is None else advance[0]
            fell |= advance is None
            taken.append(min(shown, left))
            ahead += shown - taken[-1]
            left -= taken[-1]
        charged_now = tuple((charged + more) % wrap for charged, more in zip(self.charged, taken, strict=True))
        after = BandRegisters(self.names, charged_now)
        return BandShares(tuple(taken), left, after, fell or ahead > STRANGE_ABOVE)


def begin(given: NamedQuantities, *, wrap: int) -> BandRegisters | None:
    """The band registers that an order names; None where they cannot be."""
    registers = [register.scaled(3) for _, register in given]
    known = [register for register in registers if register is not None and 0 <= register < wrap]
    if len(known) < len(registers) or not 1 <= len(known) <= BANDS_MAX:
        return None
    return BandRegisters(tuple(name for name, _ in given), tuple(known))


def register_difference(last: int, register: int, *, digits: int, wrap: int) -> tuple[int, bool] | None:
    """By how much a register advanced and whether it rolled over; None where it runs backwards."""
    if register >= last:
        return register - last, False
    if digits and 10 * last >= 9 * wrap and 10 * register <= wrap:
        return register + wrap - last, True
    return None


def bands_record(bands: BandRegisters | None) -> dict[str, Any]:
    """Band registers as part of a meter's record; nothing where it has none."""
    return {} if bands is None else {"bands": [list(bands.names), list(bands.charged)]}


def bands_of(record: dict[str, Any]) -> BandRegisters | None:
    """The band registers that `bands_record` wrote."""
    if "bands" not in record:
        return None
    names, charged = record["bands"]
    return BandRegisters(tuple(names), tuple(charged))
