"""A drop in a meter's days is found where it is largest, and only where it is one."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.reports.theft import DROPPED_BP, SIDE_DAYS, Drop, average, find_drop

FIRST = date(2026, 3, 1)


def days(*used: int) -> dict[date, int]:
    return {FIRST + timedelta(days=number): value for number, value in enumerate(used)}


@pytest.mark.parametrize(
    ("used", "drop"),
    [
        ([10] * 4 + [0] * 4, Drop(FIRST + timedelta(days=4), 10, 0)),
        ([10] * 4 + [3] * 4, Drop(FIRST + timedelta(days=4), 10, 3)),
        ([10] * 4 + [4] * 4, None),
        ([10] * 8, None),
        ([0] * 8, None),
        ([10, 10, 0, 0, 0], None),
        ([0] * 4 + [10] * 4, None),
        ([10, 10, 10, 0, 0, 0], Drop(FIRST + timedelta(days=3), 10, 0)),
    ],
    ids=["stops", "to-30-percent", "to-40-percent", "steady", "never-used", "too-few-days", "begins", "least-days"],
)
def test_find_drop(used: list[int], drop: Drop | None) -> None:
    assert find_drop(days(*used)) == drop


@given(st.lists(st.integers(0, 1_000), max_size=20))
def test_the_drop_is_the_largest_of_all_days(used: list[int]) -> None:
    """Held against averages that are summed up anew for each day."""
    shown, best = days(*used), None
    for split in range(SIDE_DAYS, len(used) - SIDE_DAYS + 1):
        before, after = average(shown, sorted(shown)[:split]), average(shown, sorted(shown)[split:])
        if before and after * 10_000 <= before * DROPPED_BP:
            drop = Drop(sorted(shown)[split], before, after)
            best = drop if best is None or after * best.before < best.after * before else best
    assert find_drop(shown) == best
