"""The line behind a gateway: one serial bus, one outstanding request, answers matched to their meter or dropped."""

import asyncio
import socket
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from collectors.registry import MeterOnLine
from collectors.wire.template import AnyItem, ClockItem, RelayItem


class Item(StrEnum):
    """What a meter is asked; names of blocks in a round."""

    ENERGY = "energy"
    RELAY = "relay"
    BANDS = "bands"
    REMAINING = "remaining"
    OVERDRAFT = "overdraft"
    COUNT = "count"
    STATUS = "status"
    COVER_OPENED = "cover_opened"
    TERMINAL_COVER_OPENED = "terminal_cover_opened"
    MAGNETIC_FIELD = "magnetic_field"


class Action(StrEnum):
    """What a command has a meter do."""

    CUT = "cut"
    RESTORE = "restore"
    RETAIN = "retain"
    RELEASE = "release"
    SYNC_TIME = "sync_time"


class LineError(Exception):
    """A request that got no good answer."""


class LineAway(LineError):
    """The gateway is not connected; nothing was sent."""


class Withdrawn(LineError):
    """The command was given up while it waited for the line; nothing was sent."""


class NoAnswer(LineError):
    """The meter did not answer in time, or the gateway says that it does not.

    Attributes:
        damaged: Frames with a wrong check value that came instead.
    """

    def __init__(self, reason: str, damaged: tuple[bytes, ...] = ()) -> None:
        super().__init__(reason)
        self.damaged = damaged


class Refused(LineError):
    """The meter answered that it will not."""


def item_of(meter: MeterOnLine, item: Item) -> AnyItem:
    """What a meter is asked for an item.

    Raises:
        Refused: It has none such.
    """
    found = meter.template.item(item)
    if found is None:
        raise Refused(f"a meter of template {meter.template.name} has no {item}")
    return found


def clock_of(meter: MeterOnLine) -> ClockItem:
    """Where a meter's clock is read.

    Raises:
        Refused: Its template does not say.
    """
    if meter.template.clock is None:
        raise no_clock(meter)
    return meter.template.clock


def no_clock(meter: MeterOnLine) -> Refused:
    """Of a meter whose clock nobody reads or sets."""
    return Refused(f"a meter of template {meter.template.name} has no clock that is read")


def relay_of(meter: MeterOnLine) -> RelayItem:
    """A meter's relay or valve.

    Raises:
        Refused: It has none.
    """
    if meter.template.relay is None:
        raise Refused(f"a meter of template {meter.template.name} has no relay")
    return meter.template.relay


class Line(Protocol):
    """Asks meters and commands them, one after the other."""

    async def ask(self, meter: MeterOnLine, item: Item) -> bytes:
        """The answer's bytes, verbatim.

        Raises:
            LineError: There is none.
        """
        ...

    async def command(
        self, meter: MeterOnLine, action: Action, *, deadline: datetime, claim: Callable[[], bool]
    ) -> bytes:
        """Have a meter cut or restore supply; the bytes by which it accepts.

        Args:
            deadline: Local time of the meter after which the command is void, where the protocol has such.
            claim: Asked once the line is there and free, right before the first byte; if it says no, none is sent.
        Raises:
            LineAway: Nothing was sent, and `claim` not asked.
            Withdrawn: Nothing was sent: `claim` said no.
            LineError: It was sent, but not accepted as far as known.
        """
        ...

    async def ask_clock(self, meter: MeterOnLine) -> tuple[bytes, ...]:
        """The answers that tell what a meter's clock shows (`collectors.wire.clock.read_clock`).

        Raises:
            LineError: There is one missing, or the meter has no clock that is read.
        """
        ...

    async def set_clock(
        self, meter: MeterOnLine, now: Callable[[], datetime], *, claim: Callable[[], bool] | None = None
    ) -> bytes:
        """Have a meter's clock set, on DL/T645 those of all meters of the bus; the bytes by which it accepts, if any.

        Args:
            now: The local time, asked once the line is free.
            claim: As in `command`.
        Raises:
            LineError: As in `command`; also where nothing sets such a clock.
        """
        ...

    async def back(self) -> bool:
        """Wait for a connection that the gateway makes; at once False where the collector calls it."""
        ...

    async def close(self) -> None:
        """Let go of the connection."""
        ...


def notice_death(writer: asyncio.StreamWriter) -> None:
    """Have the kernel end a connection whose other end went away without a word, within a minute.

    Nothing else does: a gateway that lost its power or its mobile network sends no more, and a request to it would be
    repeated for a quarter of an hour before the connection counts as broken.
    """
    line: socket.socket = writer.get_extra_info("socket")
    line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # Linux has all of these; other systems go by their own periods.
    for name, value in (("KEEPIDLE", 30), ("KEEPINTVL", 10), ("KEEPCNT", 3), ("USER_TIMEOUT", 30_000)):
        option = getattr(socket, f"TCP_{name}", None)
        if option is not None:
            line.setsockopt(socket.IPPROTO_TCP, option, value)
