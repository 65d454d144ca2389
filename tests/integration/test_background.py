"""`sluice up`, `status` and `down` with the real parts."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from infra.endpoints import running
from infra.parts import members
from infra.settings import Settings
from tests.conftest import ROOT, lend_jars

Sluice = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def own(tmp_path: Path) -> Settings:
    """A small property group on a data directory of its own."""
    lend_jars(tmp_path)
    return Settings(data_dir=tmp_path, kafka="", clickhouse="", partitions=3, sites=1, gateways=2, meters=20)


@pytest.fixture
def sluice(own: Settings) -> Sluice:
    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "infra.cli", *arguments],
            cwd=ROOT,
            env={**os.environ, **own.to_environment(), "COLUMNS": "200"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def state(sluice: Sluice) -> dict[str, Any]:
    told = sluice("status", "--json")
    assert told.returncode == 0, told.stderr
    parsed: dict[str, Any] = json.loads(told.stdout)
    return parsed


def test_up_status_down(own: Settings, sluice: Sluice) -> None:
    assert {process["pid"] for process in state(sluice)["processes"]} == {None}
    assert sluice("down").stdout.startswith("Nothing runs")
    up = sluice("up")
    try:
        assert up.returncode == 0, up.stdout + up.stderr
        assert "Kafka       127.0.0.1:" in up.stdout
        assert "ClickHouse  clickhouse://default:" in up.stdout
        assert "to read     clickhouse://analyst:" in up.stdout
        assert "runs already" in sluice("up").stdout

        told = state(sluice)
        pids = {process["name"]: process["pid"] for process in told["processes"]}
        assert None not in pids.values()
        assert set(pids) == {"supervisor", *(member.name for member in members(own))}
        assert {lag["reader"] for lag in told["lags"]} == {"ledger", "sink"}
        assert {topic["topic"]: topic["end"] for topic in told["topics"]}["ledger.state"] >= 0
        assert "supervisor" in sluice("status").stdout

        # A worker that is killed comes back by itself.
        os.kill(pids["ledger-0"], signal.SIGKILL)
        while (ledger := running(own, "ledger-0")) is None or ledger.pid == pids["ledger-0"]:
            time.sleep(0.1)
    finally:
        down = sluice("down")
    assert (down.returncode, down.stdout) == (0, "stopped\n")
    assert [pid for pid in pids.values() if psutil.pid_exists(pid)] == []


def test_a_start_that_fails_says_why_and_leaves_nothing(own: Settings, sluice: Sluice) -> None:
    # The jars' folder is there but empty, as if half of .sluice had been deleted.
    jars = next((own.data_dir / "kafka").glob("lib-*"))
    jars.unlink()
    jars.mkdir()
    up = sluice("up")
    assert up.returncode == 1
    assert "kafka does not start (exit status 1)" in up.stdout
    assert "could not format its data directory" in up.stdout
    assert {process["pid"] for process in state(sluice)["processes"]} == {None}


def test_wrong_settings_are_told_without_a_trace(
    own: Settings, sluice: Sluice, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = own.model_copy(update={"partitions": 0, "speed": 0})
    for name, value in broken.to_environment().items():
        monkeypatch.setenv(name, value)
    told = subprocess.run([sys.executable, "-m", "infra.cli", "status"], capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert [line.partition(":")[0] for line in told.stderr.splitlines()] == ["SLUICE_PARTITIONS", "SLUICE_SPEED"]


def test_an_unknown_part_is_refused_with_those_there_are(sluice: Sluice) -> None:
    told = sluice("run", "kafak")
    assert told.returncode == 2
    assert "kafka, clickhouse, fleet, collector, ledger, sink" in told.stderr
