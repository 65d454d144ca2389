"""Pictures keep their room: legends stay within them, and what nobody consumed has no scale."""

from typing import Final

import pandas as pd
from matplotlib.figure import Figure

from analytics.plots.money import draw_components, draw_energy_and_finance
from analytics.reports.components import COLUMNS
from analytics.reports.energy_finance import MONEY

YUAN: Final = 10**9


def sites(*, water_milli: int) -> pd.DataFrame:
    money = {name: [1000 * YUAN, 2000 * YUAN] for name in MONEY}
    rows = {"electricity_milli": [5000, 8000], "water_milli": [water_milli] * 2, **money}
    return pd.DataFrame({"level": "site", "site": ["S1", "S2"], **rows}, dtype=object)


def check_legends(made: Figure) -> None:
    made.draw_without_rendering()
    legends = [axes.get_legend() for axes in made.axes]
    assert any(legends)
    for legend in filter(None, legends):
        box = legend.get_window_extent()
        assert box.x1 <= made.bbox.x1
        assert box.y1 <= made.bbox.y1


def test_a_legend_of_all_kinds_of_money_is_within_the_picture() -> None:
    made = draw_energy_and_finance(sites(water_milli=7000))
    check_legends(made)
    assert [axes.get_ylabel() for axes in made.axes] == ["yuan", "electricity, kWh", "water, m³"]
    assert not any(axes.texts for axes in made.axes)


def test_water_that_nobody_took_has_no_scale() -> None:
    *_, water = draw_energy_and_finance(sites(water_milli=0)).axes
    assert [text.get_text() for text in water.texts] == ["nothing in this period"]
    assert list(water.get_yticks()) == []


def test_many_components_are_within_the_picture() -> None:
    names = [f"a component of a long name {number}" for number in range(9)]
    rows = [
        {"level": "site", "site": site, "component": name, "amount_nano": YUAN}
        for site in ("S1", "S2")
        for name in names
    ]
    made = draw_components(pd.DataFrame(rows, columns=list(COLUMNS), dtype=object))
    check_legends(made)


def test_a_component_that_no_legend_names_is_drawn() -> None:
    """matplotlib leaves out what begins with an underscore."""
    rows = [{"level": "site", "site": "S1", "component": "_wx", "amount_nano": YUAN}]
    made = draw_components(pd.DataFrame(rows, columns=list(COLUMNS), dtype=object))
    assert len(made.axes[0].patches) == 1
