"""Consumption is drawn of whatever kinds there are."""

from datetime import date
from typing import Final

import pandas as pd
import pytest

from analytics.plots.energy import draw_usage
from analytics.reports.usage import DAILY

DAYS: Final = (date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 3))


@pytest.mark.parametrize("days", [DAYS, DAYS[:1]], ids=["days", "one-day"])
@pytest.mark.parametrize("kinds", [("electricity", "water"), ("electricity",), ("water",), ()], ids="+".join)
def test_each_kind_has_its_days(kinds: tuple[str, ...], days: tuple[date, ...]) -> None:
    rows = [("S1", "A", f"M-{kind}", kind, day, 1000, 0, 5, 1000) for kind in kinds for day in days]
    made = draw_usage(pd.DataFrame(rows, columns=[*DAILY, "band_all_milli"], dtype=object))
    made.draw_without_rendering()
    for axes, kind in zip(made.axes, ("electricity", "water"), strict=True):
        assert len(axes.patches) == (len(days) if kind in kinds else 0)
        assert len(axes.texts) == (kind not in kinds)
    # Where both are there, the days are written below the lower one alone.
    labelled = [bool([label for label in axes.get_xticklabels() if label.get_text()]) for axes in made.axes]
    assert labelled == [kinds == ("electricity",), "water" in kinds]
