"""The line behind a gateway: one serial bus, one outstanding request, answers matched to their meter or dropped."""

from datetime import datetime
from enum import StrEnum
from typing import Protocol

from collectors.registry import MeterOnLine


class Item(StrEnum):
    """What a meter is asked; names of blocks in a round."""

    ENERGY = "energy"
    RELAY = "relay"


class Action(StrEnum):
    """What a command does to supply."""

    CUT = "cut"
    RESTORE = "restore"


class LineError(Exception):
    """A request that got no good answer."""


class LineAway(LineError):
    """The gateway is not connected; nothing was sent."""


class NoAnswer(LineError):
    """The meter did not answer in time, or the gateway says that it does not."""


class Refused(LineError):
    """The meter answered that it will not."""


class Line(Protocol):
    """Asks meters and commands them, one after the other."""

    async def ask(self, meter: MeterOnLine, item: Item) -> bytes:
        """The answer's bytes, verbatim.

        Raises:
            LineError: There is none.
        """
        ...

    async def command(self, meter: MeterOnLine, action: Action, *, deadline: datetime) -> bytes:
        """Have a meter cut or restore supply; the bytes by which it accepts.

        Args:
            deadline: Local time of the meter after which the command is void, where the protocol has such.
        Raises:
            LineAway: Nothing was sent.
            LineError: It was sent, but not accepted as far as known.
        """
        ...

    async def close(self) -> None:
        """Let go of the connection."""
        ...
