"""What meters do not tell: items that a template names and a meter of it has not answered for some rounds."""

from typing import Final

from collectors.gateways.line import Item

PATIENCE: Final = 3
"""Rounds without an answer after which an item is asked in a meter's turn alone."""


class Untold:
    """Counts, by meter and item, the rounds in a row without an answer.

    A plain meter under a template that names more would else cost a round a request for each item, and where it keeps
    silent instead of refusing, a time-out.
    """

    def __init__(self) -> None:
        self._rounds: dict[tuple[str, Item], int] = {}

    def is_asked(self, meter: str, item: Item, *, in_turn: bool) -> bool:
        """Whether an item is to be asked in a round.

        Args:
            in_turn: Whether it is the meter's turn to be asked what is asked seldom.
        """
        return in_turn or self._rounds.get((meter, item), 0) < PATIENCE

    def note(self, meter: str, item: Item, *, told: bool) -> None:
        """Know whether a meter answered."""
        if told:
            self._rounds.pop((meter, item), None)
        else:
            self._rounds[meter, item] = self._rounds.get((meter, item), 0) + 1
