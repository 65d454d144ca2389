"""Periods are whole local days."""

from datetime import UTC, date, datetime

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
