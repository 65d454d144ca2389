"""Progress of one statement: each packet holds what is new."""

from typing import Any

import pytest

from infra.clickhouse.engine import Progress
from infra.clickhouse.progress import ProgressReport


class FakeChannel:
    def __init__(self, *, gone: bool = False) -> None:
        self.sent: list[Progress] = []
        self._gone = gone

    def send_progress(self, progress: Progress) -> None:
        if self._gone:
            raise BrokenPipeError
        self.sent.append(progress)


def report_to(channel: Any) -> ProgressReport:
    return ProgressReport(channel)


def test_packets_add_up_and_never_go_back() -> None:
    channel = FakeChannel()
    report = report_to(channel)
    report.take(Progress(rows=10, size=80, total_rows=100))
    report.take(Progress(rows=10, size=80, total_rows=100))
    report.take(Progress(rows=30, size=240, total_rows=100, written_rows=3))
    report.send(Progress(rows=25, size=300, written_rows=5, written_bytes=40))
    assert channel.sent == [
        Progress(rows=10, size=80, total_rows=100),
        Progress(rows=20, size=160, written_rows=3),
        Progress(size=60, written_rows=2, written_bytes=40),
    ]


def test_client_that_is_gone_does_not_disturb_the_engine() -> None:
    report = report_to(FakeChannel(gone=True))
    report.take(Progress(rows=1))
    with pytest.raises(BrokenPipeError):
        report.send(Progress(rows=1))
