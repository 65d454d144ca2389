"""Virtual time: how fast it runs, and that it never goes back."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.clock import AHEAD_MS, CLOCK_FILE, Arrivals, ScaledClock, SystemClock, load_clock, start_clock

NOON = 1_772_445_600_000


@dataclass
class HandClock:
    """A clock that a test sets."""

    ms: int

    def now_ms(self) -> int:
        return self.ms


def test_it_runs_as_fast_as_it_shall() -> None:
    real = HandClock(1_000)
    clock = ScaledClock(origin_real_ms=1_000, origin_virtual_ms=NOON, speed=60, real=real)
    assert clock.now_ms() == NOON
    real.ms += 1_500
    assert clock.now_ms() == NOON + 90_000


def test_it_tells_how_long_to_wait() -> None:
    clock = ScaledClock(origin_real_ms=0, origin_virtual_ms=NOON, speed=60, real=HandClock(0))
    assert clock.real_s_until(NOON + 300_000) == 5.0
    assert clock.real_s_until(NOON - 1) == 0


def test_time_that_stands_still_is_refused() -> None:
    with pytest.raises(ValueError, match="speed is 0"):
        ScaledClock(origin_real_ms=0, origin_virtual_ms=0, speed=0)


def test_without_a_virtual_one_the_clock_is_the_machines(tmp_path: Path) -> None:
    assert isinstance(load_clock(tmp_path), SystemClock)


def test_a_started_clock_is_the_one_that_others_load(tmp_path: Path) -> None:
    started = start_clock(tmp_path / "new", origin_virtual_ms=NOON, speed=60, real=HandClock(5))
    loaded = load_clock(tmp_path / "new")
    assert isinstance(loaded, ScaledClock)
    assert (loaded.origin_real_ms, loaded.origin_virtual_ms, loaded.speed) == (5, NOON, started.speed)


def test_a_restart_goes_on_from_the_same_origin(tmp_path: Path) -> None:
    real = HandClock(0)
    start_clock(tmp_path, origin_virtual_ms=NOON, speed=60, real=real)
    real.ms = 10_000
    again = start_clock(tmp_path, origin_virtual_ms=NOON + 999, speed=60, real=real)
    assert again.now_ms() == NOON + 600_000


def test_another_speed_takes_over_from_where_the_clock_stands(tmp_path: Path) -> None:
    real = HandClock(0)
    start_clock(tmp_path, origin_virtual_ms=NOON, speed=60, real=real)
    real.ms = 10_000
    slower = start_clock(tmp_path, origin_virtual_ms=NOON, speed=1, real=real)
    assert slower.now_ms() == NOON + 600_000
    real.ms = 11_000
    assert slower.now_ms() == NOON + 601_000


@pytest.mark.parametrize("text", ["{", "[]", '{"speed": 1}', '{"origin_real_ms": null}'])
def test_a_file_that_is_no_clock_is_an_error_that_names_it(tmp_path: Path, text: str) -> None:
    (tmp_path / CLOCK_FILE).write_text(text)
    with pytest.raises(ValueError, match=r"clock\.json"):
        load_clock(tmp_path)


def test_a_time_more_than_an_hour_ahead_of_its_arrival_is_not_believed(tmp_path: Path) -> None:
    arrivals = Arrivals(tmp_path)
    assert not arrivals.is_ahead(5_000 + AHEAD_MS, 5_000)
    assert arrivals.is_ahead(5_001 + AHEAD_MS, 5_000)
    # A virtual clock that is started meanwhile counts at once, also for what came before its origin.
    start_clock(tmp_path, origin_virtual_ms=10**12, speed=60, real=HandClock(5_000))
    assert not arrivals.is_ahead(10**12 + AHEAD_MS, 4_000)
    assert not arrivals.is_ahead(10**12 + 60_000 + AHEAD_MS, 6_000)
    assert arrivals.is_ahead(10**12 + 60_001 + AHEAD_MS, 6_000)
