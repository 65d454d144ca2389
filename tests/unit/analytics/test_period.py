"""Periods are whole local days."""

from datetime import UTC, date, datetime, timedelta

import pytest

from analytics.errors import AnalyticsError
from analytics.period import Period


def test_a_period_begins_and_ends_at_local_midnights() -> None:
    march = Period(date(2026, 3, 1), date(2026, 4, 1))
    assert datetime.fromtimestamp(march.first_ms / 1000, UTC) == datetime(2026, 2, 28, 16, tzinfo=UTC)
    assert datetime.fromtimestamp(march.end_ms / 1000, UTC) == datetime(2026, 3, 31, 16, tzinfo=UTC)
    assert len(list(march.days())) == 31


@pytest.mark.parametrize("end", [date(2026, 3, 1), date(2026, 2, 1)])
def test_a_period_without_a_day_is_refused(end: date) -> None:
    with pytest.raises(AnalyticsError, match="is no day"):
        Period(date(2026, 3, 1), end)


@pytest.mark.parametrize(
    ("day", "months", "before"),
    [
        (date(2026, 3, 31), 1, date(2026, 2, 28)),
        (date(2024, 3, 31), 1, date(2024, 2, 29)),
        (date(2026, 1, 15), 1, date(2025, 12, 15)),
        (date(2026, 12, 31), 12, date(2025, 12, 31)),
        (date(2024, 2, 29), 12, date(2023, 2, 28)),
    ],
)
def test_months_before(day: date, months: int, before: date) -> None:
    assert Period(day, date(2027, 1, 1)).months_before(months).first == before


@pytest.mark.parametrize(
    ("first", "end", "months", "before"),
    [
        (date(2026, 3, 1), date(2026, 3, 31), 1, (date(2026, 2, 1), date(2026, 3, 1))),
        (date(2026, 3, 29), date(2026, 3, 31), 1, (date(2026, 2, 28), date(2026, 3, 1))),
        (date(2026, 3, 30), date(2026, 3, 31), 1, (date(2026, 2, 28), date(2026, 3, 1))),
        (date(2024, 2, 28), date(2024, 2, 29), 12, (date(2023, 2, 28), date(2023, 3, 1))),
        (date(2024, 2, 29), date(2024, 3, 1), 12, (date(2023, 2, 28), date(2023, 3, 1))),
        (date(2026, 4, 1), date(2026, 5, 1), 1, (date(2026, 3, 1), date(2026, 4, 1))),
        (date(2025, 2, 1), date(2025, 3, 1), 12, (date(2024, 2, 1), date(2024, 3, 1))),
        (date(2026, 4, 10), date(2026, 4, 20), 1, (date(2026, 3, 10), date(2026, 3, 20))),
    ],
)
def test_no_day_is_left_out_of_a_period_some_months_before(
    first: date, end: date, months: int, before: tuple[date, date]
) -> None:
    assert Period(first, end).months_before(months) == Period(*before)


def test_every_period_has_one_a_month_and_a_year_before() -> None:
    """Also at the end of February."""
    first = date(2023, 12, 1)
    for start in range(120):
        begins = first + timedelta(days=start)
        for length in range(1, 70):
            period = Period(begins, begins + timedelta(days=length))
            for months in (1, 12):
                before = period.months_before(months)
                assert before.first < before.end < period.end


@pytest.mark.parametrize(
    ("first", "end"),
    [
        (date(1, 1, 1), date(1, 2, 1)),
        (date(1970, 1, 1), date(1970, 2, 1)),
        (date(2148, 12, 1), date(2149, 1, 2)),
        (date(9999, 1, 1), date(9999, 12, 31)),
    ],
)
def test_days_that_the_database_does_not_know_are_refused(first: date, end: date) -> None:
    with pytest.raises(AnalyticsError, match="from 1970-01-02 up to 2149-01-01"):
        Period(first, end)


def test_before_the_first_month_there_is_none() -> None:
    with pytest.raises(AnalyticsError, match="from 1970-01-02"):
        Period(date(1970, 1, 15), date(1970, 1, 20)).months_before(1)
