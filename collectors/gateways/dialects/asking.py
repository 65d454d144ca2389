"""One request on a serial line, and what counts as its answer."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from collectors.gateways.line import Action, Item
from collectors.registry import MeterOnLine


class Cutter(Protocol):
    """Cuts what comes into frames."""

    damaged: list[bytes]

    def feed(self, chunk: bytes) -> list[bytes]: ...


@dataclass(frozen=True, slots=True)
class Asking:
    """A request and its answer.

    Attributes:
        cutter: A new one: half a frame of a meter that fell silent must not swallow the next answer.
        answers: Whether a frame is the answer; never raises. None where nobody answers.
        refusal: What an answer says where the meter will not; None where it does what it is asked.
    """

    request: bytes
    cutter: Cutter
    answers: Callable[[bytes], bool] | None
    refusal: Callable[[bytes], str | None]


class Dialect(Protocol):
    """Makes the requests of one protocol for one line."""

    def read(self, meter: MeterOnLine, item: Item) -> Asking:
        """A request for an item."""
        ...

    def command(self, meter: MeterOnLine, action: Action, deadline: datetime) -> Asking:
        """A command; only for meters with a relay."""
        ...

    def clock(self, meter: MeterOnLine) -> tuple[Asking, ...]:
        """The requests whose answers `collectors.wire.clock.read_clock` takes.

        Raises:
            Refused: The meter's template, or the protocol, knows of no clock.
        """
        ...

    def set_clock(self, meter: MeterOnLine, local: datetime) -> Asking:
        """What sets a meter's clock to a local time.

        Raises:
            Refused: Nothing does.
        """
        ...

    def fence(self, meter: MeterOnLine, now_s: float) -> Asking | None:
        """What has to be answered before the meter is asked anything else; None if nothing has.

        Args:
            now_s: By any clock that never goes back.
        Raises:
            NoAnswer: Nothing can tell for now.
        """
        ...

    def note_silence(self, meter: MeterOnLine, now_s: float) -> None:
        """Know that a request to the meter has not been answered: the answer may still come."""
        ...

    def note_fence(self, meter: MeterOnLine) -> None:
        """Know that the fence was answered."""
        ...


class Unfenced:
    """Part of dialects whose answers tell what they answer: a late one is never taken for another."""

    def fence(self, meter: MeterOnLine, now_s: float) -> Asking | None:
        """See `Dialect.fence`."""
        return None

    def note_silence(self, meter: MeterOnLine, now_s: float) -> None:
        """See `Dialect.note_silence`."""

    def note_fence(self, meter: MeterOnLine) -> None:
        """See `Dialect.note_fence`."""
