"""The time that collectors stamp on what they send: real, or that of a virtual property group that runs faster."""

import json
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

CLOCK_FILE = "clock.json"
AHEAD_MS = 3_600_000
"""How far the clocks of a collector and of a broker may differ."""


class Clock(Protocol):
    """Tells the time in whole milliseconds since 1970, UTC."""

    def now_ms(self) -> int: ...


class SystemClock:
    """The machine's own time."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def shown_at_ms(self, real_ms: int) -> int:
        """The latest that this clock can have shown when the machine's showed `real_ms`."""
        return real_ms


@dataclass(frozen=True, slots=True)
class ScaledClock:
    """A time that runs `speed` times as fast as the machine's since an origin that both share.

    Attributes:
        origin_real_ms: When the machine's clock showed the origin.
        origin_virtual_ms: What this clock showed then.
        speed: Virtual milliseconds in a real one, at least 1.
        real: Where the real time comes from.
    """

    origin_real_ms: int
    origin_virtual_ms: int
    speed: int
    real: Clock = field(default_factory=SystemClock)

    def __post_init__(self) -> None:
        if self.speed < 1:
            raise ValueError(f"speed is {self.speed}, below 1: time would stand still or go back")

    def now_ms(self) -> int:
        return self.origin_virtual_ms + (self.real.now_ms() - self.origin_real_ms) * self.speed

    def shown_at_ms(self, real_ms: int) -> int:
        """The latest that this clock can have shown when the machine's showed `real_ms`."""
        # Before the origin another speed may have held; it showed no more than at the origin.
        return self.origin_virtual_ms + max(0, real_ms - self.origin_real_ms) * self.speed

    def real_s_until(self, virtual_ms: int) -> float:
        """Real seconds from now until this clock shows `virtual_ms`; 0 if it has."""
        return max(0, virtual_ms - self.now_ms()) / self.speed / 1000


class Arrivals:
    """Tells times that cannot be true: further ahead than the clock can have been when Kafka took the record in.

    One such time would move its site's clock for good, and everything after it would be late.
    """

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._clock = load_clock(data_dir)

    def is_ahead(self, at_ms: int, arrived_ms: int) -> bool:
        """Whether a time in a record is more than an hour ahead of its arrival, by the broker's stamp (real ms)."""
        if at_ms <= self._clock.shown_at_ms(arrived_ms) + AHEAD_MS:
            return False
        # A virtual clock may have been started, or made faster, since.
        self._clock = load_clock(self._data_dir)
        return at_ms > self._clock.shown_at_ms(arrived_ms) + AHEAD_MS


def load_clock(data_dir: Path) -> SystemClock | ScaledClock:
    """The clock that this data directory runs by: a virtual one if one was started, else the machine's.

    Raises:
        ValueError: The file is there but is no clock.
    """
    return _read(data_dir / CLOCK_FILE, SystemClock()) or SystemClock()


def start_clock(data_dir: Path, *, origin_virtual_ms: int, speed: int, real: Clock | None = None) -> ScaledClock:
    """Start the virtual clock of a data directory, or go on with the one that was started there before.

    The origin is kept, so that the time never goes back across restarts, nor when the machine was off in between.
    Another speed takes over from the moment that the clock shows now.

    Args:
        origin_virtual_ms: What a new clock shows first; without effect where one was started before.
        speed: Virtual milliseconds in a real one.
    """
    real = real or SystemClock()
    path = data_dir / CLOCK_FILE
    clock = _read(path, real)
    if clock is not None and clock.speed == speed:
        return clock
    started = ScaledClock(
        origin_real_ms=real.now_ms(),
        origin_virtual_ms=origin_virtual_ms if clock is None else clock.now_ms(),
        speed=speed,
        real=real,
    )
    _write(path, started)
    return started


def _read(path: Path, real: Clock) -> ScaledClock | None:
    try:
        fields = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    try:
        return ScaledClock(
            origin_real_ms=int(fields["origin_real_ms"]),
            origin_virtual_ms=int(fields["origin_virtual_ms"]),
            speed=int(fields["speed"]),
            real=real,
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} lacks a clock's fields: {error}") from error


def _write(path: Path, clock: ScaledClock) -> None:
    fields = asdict(clock)
    del fields["real"]
    path.parent.mkdir(parents=True, exist_ok=True)
    # Renamed into place, so that a reader sees the clock before or after, never half of one.
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    draft.write_text(json.dumps(fields) + "\n")
    draft.replace(path)
