"""Waiting for something to become true, for so long and no longer."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from infra.settings import Settings

T = TypeVar("T")

_PAUSE_S = 0.1


@dataclass(frozen=True, slots=True)
class Patience:
    """How long anything may take.

    Attributes:
        limit_s: Real seconds.
    """

    limit_s: float

    @classmethod
    def of(cls, settings: Settings, *, start_s: float = 120) -> "Patience":
        """Long enough for a part that starts again on a busy machine, and then for some rounds of the gateways."""
        return cls(start_s + 4 * settings.poll_interval_s / settings.speed)

    def wait_for(self, look: Callable[[], T | None]) -> T | None:
        """What `look` finds, as soon as it finds something; None if it has not in time."""
        deadline = time.monotonic() + self.limit_s
        while True:
            found = look()
            if found is not None or time.monotonic() >= deadline:
                return found
            time.sleep(_PAUSE_S)
