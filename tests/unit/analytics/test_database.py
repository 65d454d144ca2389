"""A database that is away is told in a line."""

import logging
import subprocess
import sys

import pytest

from analytics.database import connected
from analytics.errors import AnalyticsError
from infra.settings import Settings

NOBODY = "clickhouse://user:password@127.0.0.1:1/sluice"


def test_a_database_that_cannot_be_reached_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.WARNING),
        pytest.raises(AnalyticsError, match="Connection refused"),
        connected(Settings(clickhouse=NOBODY)) as client,
    ):
        client.execute("SELECT 1")
    assert caplog.records == []


def test_the_command_prints_no_trace() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "infra.cli", "audit"],
        env={"SLUICE_CLICKHOUSE": NOBODY},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == "sluice: ClickHouse: Code: 210. Connection refused (127.0.0.1:1)\n"
