"""Rates and lags from samples; how they are taken is tested with the real parts."""

import json
from pathlib import Path

import pytest
import typer
from clickhouse_driver.errors import NetworkError
from kafka import TopicPartition

from infra import status as module
from infra.cli import status as command
from infra.settings import Settings
from infra.status import Gauges, Lag, Sample, rates
from infra.status import _lag as lag


def sample(at: float, readings: int | None, **ends: int) -> Sample:
    return Sample(at, ends, (), readings)


def test_rates_are_a_second() -> None:
    measured = rates(sample(10.0, 100, frames=5, orders=0), sample(12.0, 700, frames=25, orders=0))
    assert measured.records == {"frames": 10, "orders": 0}
    assert measured.readings == 300


def test_a_topic_that_was_not_there_before_has_no_rate_yet() -> None:
    assert rates(sample(0.0, 0), sample(1.0, 0, frames=1000)).records == {"frames": 0}


@pytest.mark.parametrize(("before", "after"), [(None, 5), (5, None), (None, None)])
def test_without_clickhouse_there_is_no_rate_of_readings(before: int | None, after: int | None) -> None:
    assert rates(sample(0.0, before), sample(1.0, after)).readings is None


def test_samples_of_one_moment_have_no_rate() -> None:
    assert rates(sample(1.0, 0, frames=0), sample(1.0, 9, frames=9)).records == {"frames": 0}


FIRST, SECOND, OTHER = TopicPartition("t", 0), TopicPartition("t", 1), TopicPartition("other", 0)


@pytest.mark.parametrize(
    ("ends", "taken", "marked", "behind"),
    [
        pytest.param({FIRST: 10, SECOND: 5, OTHER: 99}, {FIRST: 7, SECOND: 5}, False, 3, id="sum-of-its-partitions"),
        pytest.param({FIRST: 10, SECOND: 5}, {FIRST: 10}, False, 5, id="a-partition-not-begun"),
        pytest.param({FIRST: 10}, {}, False, None, id="not-begun-at-all"),
        pytest.param({FIRST: 0}, {}, False, 0, id="nothing-there"),
        pytest.param({FIRST: 10}, {FIRST: 9}, True, 0, id="the-last-marker-is-nothing-to-take"),
        pytest.param({FIRST: 10}, {FIRST: 10}, True, 0, id="the-marker-taken-too"),
        pytest.param({FIRST: 10}, {FIRST: 12}, False, 0, id="ahead-of-an-older-look"),
    ],
)
def test_a_lag_is_what_is_not_taken_yet(
    ends: dict[TopicPartition, int], taken: dict[TopicPartition, int], marked: bool, behind: int | None
) -> None:
    assert lag("reader", "t", ends, taken, marked=marked) == Lag("reader", "t", behind)


class GoesAway:
    """A client of ClickHouse whose server answers so often, and then no more."""

    def __init__(self, answers: int) -> None:
        self.answers = answers

    def execute(self, sql: str) -> list[tuple[int]]:
        if not self.answers:
            raise NetworkError("Connection refused (h:9)")
        self.answers -= 1
        return [(5,)]

    def disconnect(self) -> None:
        pass


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> GoesAway:
    """A ClickHouse that goes away after one answer, and no Kafka."""
    client = GoesAway(1)
    monkeypatch.setattr(module, "_open_kafka", lambda _: None)
    monkeypatch.setattr(module, "_open_clickhouse", lambda _: client)
    return client


@pytest.mark.usefixtures("alone")
def test_who_does_not_answer_any_more_is_left_out_and_told(tmp_path: Path) -> None:
    with Gauges(Settings(data_dir=tmp_path), lenient=True) as gauges:
        assert (gauges.sample().readings, gauges.away) == (5, {})
        assert gauges.sample().readings is None
        assert gauges.away == {"clickhouse": "Code: 210. Connection refused (h:9)"}


def test_who_has_not_answered_is_not_asked_again(tmp_path: Path, alone: GoesAway) -> None:
    with Gauges(Settings(data_dir=tmp_path), lenient=True) as gauges:
        alone.answers = 0
        gauges.sample()
        alone.answers = 1
        assert gauges.sample().readings is None
        assert alone.answers == 1


@pytest.mark.usefixtures("alone")
def test_whoever_waits_for_a_server_hears_its_clients_error(tmp_path: Path) -> None:
    with Gauges(Settings(data_dir=tmp_path)) as gauges:
        gauges.sample()
        with pytest.raises(NetworkError):
            gauges.sample()


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "table"])
def test_the_command_tells_the_rest_where_a_server_is_away(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, as_json: bool
) -> None:
    monkeypatch.setenv("SLUICE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("SLUICE_CLICKHOUSE", "clickhouse://u:geheim@127.0.0.1:9/d")
    monkeypatch.setattr(command, "MEASURED_S", 0)
    with pytest.raises(typer.Exit) as ended:
        command.status(as_json=as_json)
    assert ended.value.exit_code == 1
    told = capsys.readouterr()
    assert told.err == "clickhouse does not answer: Code: 210. Connection refused (127.0.0.1:9)\n"
    if as_json:
        answer = json.loads(told.out)
        assert len(answer["processes"]) > 3
        assert (answer["readings"], list(answer["away"])) == (None, ["clickhouse"])
    else:
        assert "ledger-0" in told.out
    assert "geheim" not in told.out + told.err
