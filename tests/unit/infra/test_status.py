"""Rates and lags from samples; how they are taken is tested with the real parts."""

import pytest
from kafka import TopicPartition

from infra.status import Lag, Sample, rates
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
