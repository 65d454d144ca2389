"""Fixed fees: what falls due at which local midnight, walked through day by day.

Decided here, where the text leaves it open: "what was charged" is what fell due at an amount above 0, whether or not
the balance could hold it; what it could not hold is left out for good.
"""

from dataclasses import dataclass, field
from itertools import groupby

from tests.model.texts import DAY, local, midnight

SINGLE = 31
"""Of what one line charges of a fee, this many of the latest are charged one by one, the earlier ones in one."""
MOST_AHEAD = 100


@dataclass(frozen=True)
class Rate:
    """A fee from `start` on: nano-yuan each "month" or "day"."""

    start: int
    amount: int
    period: str

    def is_due(self, midnight_: int) -> bool:
        """Whether it falls due at a local midnight that is its to charge."""
        return self.amount > 0 and (self.period == "day" or local(midnight_).day == 1)


@dataclass
class Fee:
    """A fee of an account by its rates, of which a later one takes over from its start on."""

    rates: list[Rate] = field(default_factory=list)
    charged_until: int | None = None

    def dues(self, after: int, until: int) -> list[tuple[int, int]]:
        """Times and amounts that fall due after one time and up to another."""
        found = []
        time = midnight(after) + DAY
        while time <= until:
            in_force = [rate for rate in self.rates if rate.start <= time]
            if in_force and in_force[-1].is_due(time):
                found.append((time, in_force[-1].amount))
            time += DAY
        return found

    def is_awaited(self, now: int) -> bool:
        """Whether anything is still to fall due: within 31 days of now or of the start of the last rate."""
        return bool(self.dues(now, max(now, self.rates[-1].start) + 31 * DAY))

    def changed(self, rate: Rate) -> "Fee":
        """The fee with a rate in place of all from its start on."""
        return Fee([*(each for each in self.rates if each.start < rate.start), rate], self.charged_until)

    def ahead(self, now: int) -> int:
        """How many rates have not begun."""
        return len([rate for rate in self.rates if rate.start > now])


def charged_together(dues: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """What falls due in one line as it is charged: all but the latest in one, at the last time of those."""
    alone = len(dues) - SINGLE
    groups = groupby(enumerate(dues), lambda each: max(each[0], alone - 1))
    whole = [[due for _, due in group] for _, group in groups]
    return [(group[-1][0], sum(amount for _, amount in group)) for group in whole]
