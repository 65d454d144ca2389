"""The process tries again what may pass, ends on what may not, and says once that it is ready."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import sinks.server as server
from infra.endpoints import EndpointError
from infra.process import LockedError, locked
from infra.settings import Settings
from sinks.errors import AwayError, GapError


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """The process's own handlers come back after a test."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


class FakeSink:
    """Raises what it is given, one at each step; then asks the process to end."""

    def __init__(self, faults: list[Exception | None]) -> None:
        self.faults = faults
        self.recovered = 0

    def recover(self) -> None:
        self.recovered += 1

    def step(self) -> int:
        if not self.faults:
            os.kill(os.getpid(), signal.SIGTERM)
            return 0
        fault = self.faults.pop(0)
        if fault is not None:
            raise fault
        return 1


def run(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, faults: list[Exception | None]
) -> tuple[FakeSink, list[float]]:
    """The pauses that were made, instead of making them."""
    sink = FakeSink(faults)
    pauses: list[float] = []

    @contextmanager
    def opened(settings: Settings, claimed_by: str) -> Iterator[FakeSink]:
        yield sink

    def wait(self: threading.Event, timeout: float | None = None) -> bool:
        assert timeout is not None
        pauses.append(timeout)
        return self.is_set()

    monkeypatch.setattr(server, "_opened", opened)
    monkeypatch.setattr(threading.Event, "wait", wait)
    server.main(settings)
    return sink, pauses


def test_what_may_pass_is_tried_again_at_growing_intervals(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    away: list[Exception | None] = [AwayError("no"), EndpointError("no")] * 5
    sink, pauses = run(monkeypatch, settings, [None, *away, None, AwayError("again")])
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0, 10.0, 0.1]
    assert sink.recovered == 12
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert [json.loads(line) for line in told] == [{"ready": "sink"}]


def test_a_sigterm_ends_it_between_two_blocks(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    sink, pauses = run(monkeypatch, settings, [None, None])
    assert (sink.recovered, pauses) == (1, [])


def test_what_does_not_pass_ends_it_with_status_1(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, settings, [None, GapError("partition 0: gone")])
    assert ended.value.code == 1


def test_a_second_sink_on_the_data_directory_is_refused(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    monkeypatch.setattr(server, "LOCK_S", 0)
    with locked(settings.run_dir / "sink.lock"), pytest.raises(LockedError):
        run(monkeypatch, settings, [])


def test_a_fault_of_the_copy_of_raw_frames_ends_that_copy_alone(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    faults: list[Exception] = [AwayError("Kafka is away"), GapError("partition 0: gone"), ValueError("a bug")]

    def reader(*_: object, **__: object) -> None:
        raise faults.pop(0)

    monkeypatch.setattr(server, "PostingsReader", reader)
    monkeypatch.setattr(server, "RETRY_S", (0.0, 0.0))
    monkeypatch.setattr(server, "kafka_bootstrap", lambda _: "nowhere:1")
    stop = threading.Event()
    server.copy_frames(settings, stop)
    assert faults == []
    assert not stop.is_set()
    said = capsys.readouterr().out
    assert "copying raw frames again" in said
    assert "raw frames are no longer copied" in said
    assert "ValueError: a bug" in said
