"""What goes wrong with one record or by a bug is told, and does not stop commands in silence."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from collectors.command_feed import CommandFeed
from collectors.command_reports import CommandReporter
from infra.clock import SystemClock


def test_a_record_that_cannot_be_judged_is_passed_over(capsys: pytest.CaptureFixture[str]) -> None:
    command: Any = object()

    def read(_: bytes | None, value: bytes | None) -> Any:
        if value == b"bad":
            raise RecursionError("too deep")
        return command if value == b"good" else None

    feed = CommandFeed("nowhere:1", read=read, take=lambda _: None, pass_over=lambda *_: None)
    values = (b"none of ours", b"bad", b"good")
    records = [SimpleNamespace(key=b"G", value=value, partition=3, offset=7 + n) for n, value in enumerate(values)]
    consumer: Any = SimpleNamespace(poll=lambda **_: {"place": records})
    assert list(feed._commands(consumer)) == [command]
    said = capsys.readouterr().out
    assert "record passed over" in said
    assert "partition 3, offset 8" in said


def test_a_bug_of_the_reporter_is_the_collectors_to_end_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = AssertionError("a bug")

    def fail(self: CommandReporter) -> None:
        raise error

    monkeypatch.setattr(CommandReporter, "_next", fail)
    reporter = CommandReporter("nowhere:1", partitions=1, clock=SystemClock(), path=tmp_path / "reports.db")
    reporter.start()
    assert reporter.failure.exception(timeout=30) is error
    reporter.stop()
