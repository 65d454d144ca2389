"""Pictures can be read: names of any characters, and as many as there is room for."""

from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from analytics.plots import DRAWINGS
from analytics.plots.picture import BARS, SERIES, bars, figure, save
from analytics.question import exact_frame
from analytics.reports import arrears, energy_finance, sales
from analytics.reports.usage import HOURLY

DAYS = [date(2026, 3, 1) + timedelta(number) for number in range(31)]
D_WITH_HOOK = "\u1d81"
"""A character that the first font has not; STIXGeneral, which comes with matplotlib, has it."""


def frame(columns: tuple[str, ...], rows: list[dict[str, Any]]) -> Any:
    return exact_frame([[row.get(name) for name in columns] for row in rows], columns)


def many_sites(count: int) -> Any:
    money = [name for name in energy_finance.COLUMNS if name.endswith("_nano")]
    sites = [
        {"level": "site", "site": f"Site {number} of the group", "electricity_milli": number, "water_milli": number}
        | dict.fromkeys(money, (number + 1) * 10**9)
        for number in range(count)
    ]
    return frame(energy_finance.COLUMNS, sites)


def drawn(made: Figure, folder: Path) -> Figure:
    assert save(made, folder / "picture.png") == ""
    # Once more at the resolution at which it is measured.
    made.draw_without_rendering()
    return made


@pytest.mark.parametrize("count", [1, 3, 40])
def test_everything_is_within_the_picture(tmp_path: Path, count: int) -> None:
    """Nine kinds of money, which were a legend wider than the picture, and as many sites as may be."""
    made = drawn(DRAWINGS["energy-and-finance"](many_sites(count)), tmp_path)
    whole = made.bbox
    for axes in made.axes:
        for each in (axes.get_legend(), *axes.get_xticklabels()):
            if each is not None:
                box = each.get_window_extent()
                assert whole.x0 <= box.x0
                assert box.x1 <= whole.x1
                assert whole.y0 <= box.y0
        assert axes.get_window_extent().width > whole.width * 3 / 4


def test_names_below_an_axis_are_apart(tmp_path: Path) -> None:
    """Also where there are more than there is room for: then the largest are shown, and that it is so."""
    made = drawn(DRAWINGS["energy-and-finance"](many_sites(40)), tmp_path)
    for axes in made.axes:
        places = [label.get_window_extent().x1 for label in axes.get_xticklabels()]
        height = axes.get_xticklabels()[0].get_fontsize()
        assert len(places) == BARS
        assert min(right - left for left, right in pairwise(places)) > height
        assert "the largest 25 of 40" in axes.get_ylabel()
    assert [label.get_text() for label in made.axes[1].get_xticklabels()][-1] == "Site 39 of the group"


def test_layers_of_many_names_are_told_from_each_other(tmp_path: Path) -> None:
    """Ten kinds of entries, and nine colours; what is drawn sums up to all."""
    kinds = [f"kind {number}" for number in range(10)]
    rows = [
        {
            "level": "entry",
            "site": "S1",
            "kind": kind,
            "amount_nano": (number + 1) * 10**9,
            "booked_ms": 1_772_500_000_000,
        }
        for number, kind in enumerate(kinds)
    ]
    made = drawn(DRAWINGS["sales"](frame(sales.COLUMNS, rows)), tmp_path)
    (axes,) = made.axes
    colours = {tuple(bar.get_facecolor()) for bar in axes.patches}
    assert len(colours) == len(axes.patches) == SERIES
    assert max(bar.get_extents().y1 for bar in axes.patches) == pytest.approx(
        axes.transData.transform((0, sum(range(1, 11))))[1]
    )
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()][-1] == "2 others"


def test_lines_of_many_sites_are_those_of_the_largest(tmp_path: Path) -> None:
    rows = [
        {"site": f"S{number}", "kind": "electricity", "day": DAYS[0]} | dict.fromkeys(HOURLY[5:], (number + 1) * 1000)
        for number in range(20)
    ]
    made = drawn(DRAWINGS["usage-hours"](frame(HOURLY, rows)), tmp_path)
    legend = made.axes[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        *(f"S{number}" for number in range(11, 20)),
        "without 11 sites that use less",
    ]
    assert len({line.get_color() for line in made.axes[0].lines if np.size(line.get_xdata())}) == SERIES


def test_accounts_of_one_name_are_told_from_each_other(tmp_path: Path) -> None:
    rows = [
        {"status": "arrears", "site": site, "account": "A1", "balance_nano": -1, "arrears_nano": 1}
        for site in ("S1", "S2")
    ]
    made = drawn(DRAWINGS["arrears"](frame(arrears.COLUMNS, rows)), tmp_path)
    assert [label.get_text() for label in made.axes[0].get_xticklabels()] == ["S1 A1", "S2 A1"]


def test_a_name_with_dollars_is_no_formula(tmp_path: Path) -> None:
    made, (axes,) = figure(title=r"$\nothing$")
    bars(axes, [r"A$\foo$", "B$x$"], [1, 2], 1, r"$\bar$")
    drawn(made, tmp_path)


def test_a_character_is_taken_from_the_font_that_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def draw() -> str:
        made, (axes,) = figure(title="t")
        bars(axes, [f"B{D_WITH_HOOK}", "C"], [1, 2], 1, "kWh")
        return save(made, tmp_path / "picture.png")

    monkeypatch.setattr("analytics.plots.picture._CHINESE", ())
    assert draw() == D_WITH_HOOK
    monkeypatch.setattr("analytics.plots.picture._CHINESE", ("STIXGeneral",))
    assert draw() == ""
