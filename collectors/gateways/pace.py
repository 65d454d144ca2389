"""How a session paces itself, and the clock it goes by."""

import random
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """The time of the property group."""

    def now_ms(self) -> int: ...


def place_in_interval(gateway: str) -> float:
    """Where in each interval, from 0 to 1, a gateway's round is due: its own, so that gateways spread over it.

    Intervals are those of the system's monotonic clock, so a collector that is started again asks in the same rhythm.
    """
    return random.Random(gateway).random()


@dataclass(frozen=True, slots=True)
class Pace:
    """How a session paces itself, in real seconds.

    Attributes:
        interval_s: From the beginning of a round to that of the next.
        tries: Requests for one item before a meter is passed over in this round; one that was silent in the last is
            asked once.
        silent_meters: Meters silent one after the other that make the rest of a round not worth waiting for.
        retry_s: Before a command is tried again on a line that is away or a meter that is silent, doubled each time.
        retry_s_max: Between two tries of a command at most.
        events_every: Rounds from one in which a meter is asked for its counts of events to the next: they are a request
            each, and say as much an hour later. So with what it has not told for some rounds.
    """

    interval_s: float
    tries: int = 2
    silent_meters: int = 3
    retry_s: float = 0.5
    retry_s_max: float = 10.0
    events_every: int = 12
