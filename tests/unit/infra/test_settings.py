"""Settings from the environment, and every way in which they are refused."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from infra.settings import Settings, settings_faults


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"SLUICE_{name.upper()}", raising=False)


def test_defaults_are_embedded_and_below_the_working_directory() -> None:
    settings = Settings()
    assert (settings.kafka, settings.clickhouse) == ("", "")
    assert settings.data_dir == Path.cwd() / ".sluice"
    assert settings.run_dir == settings.data_dir / "run"


def test_the_environment_sets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_PARTITIONS", "3")
    monkeypatch.setenv("SLUICE_KAFKA", "a:9092,b:9093")
    settings = Settings()
    assert (settings.partitions, settings.kafka) == (3, "a:9092,b:9093")


def test_a_child_gets_the_same_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given = Settings(data_dir=tmp_path, workers=2, clickhouse="clickhouse://u:p@h:9000/d", log_level="debug")
    for name, value in given.to_environment().items():
        monkeypatch.setenv(name, value)
    assert Settings() == given


def test_they_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        setattr(Settings(), "workers", 2)  # noqa: B010 - mypy would refuse the assignment itself


@pytest.mark.parametrize(
    ("variable", "value", "fault"),
    [
        pytest.param("SLUICE_KAFKA", "broker", "'broker' is not host:port", id="kafka-without-port"),
        pytest.param("SLUICE_KAFKA", "a:1,b", "'b' is not host:port", id="one-of-several"),
        pytest.param("SLUICE_KAFKA", "a:65536", "'a:65536' is not host:port", id="port-too-high"),
        pytest.param("SLUICE_CLICKHOUSE", "http://h/d", "not of the form clickhouse://", id="other-protocol"),
        pytest.param("SLUICE_CLICKHOUSE", "clickhouse://h:9000", "names no database", id="no-database"),
        pytest.param("SLUICE_CLICKHOUSE_CLUSTER", "a b", "'a b' is not a cluster's name", id="cluster"),
        pytest.param("SLUICE_CLICKHOUSE_PASSWORD", "short", "12 printable characters", id="password"),
        pytest.param("SLUICE_CLICKHOUSE_ANALYST_PASSWORD", "two\nlines of it", "12 printable", id="analyst-password"),
        pytest.param("SLUICE_CLICKHOUSE_CLUSTER", "c", "needs SLUICE_CLICKHOUSE", id="cluster-of-no-server"),
        pytest.param("SLUICE_CLICKHOUSE_TLS", "9440", "'9440' is not host:port", id="tls-without-host"),
        pytest.param("SLUICE_CLICKHOUSE_TLS", "h:9440", "needs SLUICE_TLS_CERTIFICATE", id="tls-without-certificate"),
        pytest.param("SLUICE_DATABASE", "a-b", "'a-b' is not a database's name", id="database"),
        pytest.param("SLUICE_PARTITIONS", "0", "greater than or equal to 1", id="no-partitions"),
        pytest.param("SLUICE_SPEED", "0", "greater than or equal to 1", id="time-stands-still"),
        pytest.param("SLUICE_EVENT_DAYS", "36500", "less than or equal to 18250", id="events-beyond-the-calendar"),
        pytest.param("SLUICE_RAW_DAYS", "36500", "less than or equal to 18250", id="frames-beyond-the-calendar"),
        pytest.param("SLUICE_WORKERS", "many", "valid integer", id="no-number"),
        pytest.param("SLUICE_LOG_LEVEL", "loud", "'debug', 'info', 'warning' or 'error'", id="log-level"),
    ],
)
def test_a_wrong_value_is_told_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, fault: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValidationError) as refused:
        Settings()
    (line,) = settings_faults(refused.value).splitlines()
    assert line.startswith(f"{variable}: ")
    assert fault in line


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(kafka="x", partitions=0, database="1")
    told = [line.split(":")[0] for line in settings_faults(refused.value).splitlines()]
    assert told == ["SLUICE_KAFKA", "SLUICE_DATABASE", "SLUICE_PARTITIONS"]


def test_more_than_one_copy_needs_another_kafka() -> None:
    with pytest.raises(ValidationError, match="needs SLUICE_KAFKA"):
        Settings(replication=3)
    assert Settings(replication=3, kafka="a:9092").replication == 3


def test_a_password_is_in_no_message() -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(clickhouse="clickhouse://user:geheim@host:9000/")
    assert "geheim" not in str(refused.value)
    assert "geheim" not in settings_faults(refused.value)
