"""Run records: who runs, and where."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.endpoints import (
    EndpointError,
    announce_ready,
    clickhouse_url,
    kafka_bootstrap,
    read_record,
    record_path,
    running,
    write_record,
)
from infra.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, kafka="", clickhouse="")


def test_a_record_is_read_as_it_was_written(settings: Settings) -> None:
    written = write_record(settings, "kafka", {"kafka": 9092})
    assert read_record(settings, "kafka") == written
    assert running(settings, "kafka") == written
    assert written.pid == os.getpid()


def test_ready_is_said_once_on_stdout_and_recorded(settings: Settings, capfd: pytest.CaptureFixture[str]) -> None:
    announce_ready(settings, "fleet", {"dial_in": 4000})
    assert json.loads(capfd.readouterr().out) == {"ready": "fleet", "dial_in": 4000}
    assert running(settings, "fleet") is not None


def test_who_ended_does_not_run_but_is_remembered(settings: Settings) -> None:
    code = "from infra.endpoints import write_record; from infra.settings import Settings; "
    code += "write_record(Settings(), 'sink', {'x': 1})"
    subprocess.run([sys.executable, "-c", code], env={**os.environ, **settings.to_environment()}, check=True)
    assert running(settings, "sink") is None
    record = read_record(settings, "sink")
    assert record is not None
    assert record.ports == {"x": 1}


def test_another_process_under_the_old_number_does_not_count(settings: Settings) -> None:
    write_record(settings, "sink", {})
    path = record_path(settings, "sink")
    path.write_text(json.dumps({**json.loads(path.read_text()), "started_at": "2020-01-01T00:00:00+00:00"}))
    assert running(settings, "sink") is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x", "started_at": "", "ports": {}}', '{"pid": 1}'])
def test_a_damaged_record_is_none(settings: Settings, text: str) -> None:
    write_record(settings, "sink", {})
    record_path(settings, "sink").write_text(text)
    assert read_record(settings, "sink") is None


def test_addresses_of_what_runs_here(settings: Settings) -> None:
    (settings.data_dir / "clickhouse").mkdir()
    write_record(settings, "kafka", {"kafka": 1234})
    write_record(settings, "clickhouse", {"clickhouse": 2345})
    assert kafka_bootstrap(settings) == "127.0.0.1:1234"
    url = clickhouse_url(settings)
    assert url.startswith("clickhouse://default:")
    assert url.endswith("@127.0.0.1:2345/sluice")


def test_addresses_of_what_runs_elsewhere(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, kafka="a:1,b:2", clickhouse="clickhouse://u:p@h:9000/d")
    assert kafka_bootstrap(settings) == "a:1,b:2"
    assert clickhouse_url(settings) == "clickhouse://u:p@h:9000/d"


def test_what_does_not_run_is_told_with_the_way_out(settings: Settings) -> None:
    with pytest.raises(EndpointError, match=r"no kafka runs in .*`sluice up`.*SLUICE_KAFKA"):
        kafka_bootstrap(settings)
    with pytest.raises(EndpointError, match="SLUICE_CLICKHOUSE"):
        clickhouse_url(settings)
