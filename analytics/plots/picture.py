"""What pictures of reports have in common. Floats are for pixels here, and for nothing else."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import matplotlib
import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray
from rich.cells import cell_len

COLOURS: Final = ("#2f6690", "#d98324", "#4a8c4f", "#a23e48", "#7a6c9d", "#8c7a5b", "#5aa9a3", "#777777", "#b8a83a")
_CHINESE: Final = ("Noto Sans CJK SC", "Source Han Sans SC", "WenQuanYi Micro Hei", "Microsoft YaHei", "SimHei")
_DPI: Final = 120
_LEGEND_CELLS: Final = 110
"""Characters that fit above a diagram."""
_MARK_CELLS: Final = 8
"""Characters that a colour and the space around it take."""
_UPRIGHT: Final = 6
"""More names than these are written aslant."""


def figure(rows: int = 1, *, title: str, height: float = 4.2, share_x: bool = False) -> tuple[Figure, list[Axes]]:
    """An empty picture of some diagrams below each other."""
    made = Figure(figsize=(10, height * rows), layout="constrained")
    # Drawn without pyplot, which would look for a screen and keep every figure.
    FigureCanvasAgg(made)
    made.suptitle(title, fontsize=13, fontweight="bold")
    axes = made.subplots(rows, 1, squeeze=False, sharex=share_x)[:, 0]
    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
        each.grid(axis="y", color="#dddddd", linewidth=0.7)
        each.set_axisbelow(True)
    return made, list(axes)


def amounts(values: Sequence[Any], unit: int) -> list[float]:
    """Whole numbers in units for an axis, such as nano-yuan in yuan."""
    return [0.0 if value is None else int(value) / unit for value in values]


def thousands(axes: Axes) -> None:
    """Numbers on the y axis with separators, without an exponent."""
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def bars(
    axes: Axes, names: Sequence[str], values: Sequence[Any], unit: int, label: str, *, colour: str = COLOURS[0]
) -> None:
    """One bar a name, the first at the left."""
    axes.set_ylabel(label)
    if not names:
        empty(axes)
        return
    places = range(len(names))
    axes.bar(list(places), amounts(values, unit), color=colour, width=0.7)
    axes.set_xlim(-0.6, max(len(names), _UPRIGHT) - 0.4)
    if len(names) > _UPRIGHT:
        axes.set_xticks(list(places), list(names), rotation=45, ha="right", rotation_mode="anchor", fontsize=8)
    else:
        axes.set_xticks(list(places), list(names))
    thousands(axes)


def by_day(axes: Axes, sums: Mapping[str, Mapping[date, int]], unit: int, label: str) -> None:
    """Stacked bars, one a day, a colour for each name; what is below 0 hangs down."""
    days = sorted({day for of_name in sums.values() for day in of_name})
    if not days:
        empty(axes)
        return
    above, below = dict.fromkeys(days, 0.0), dict.fromkeys(days, 0.0)
    for number, (name, of_name) in enumerate(sums.items()):
        values = dict(zip(days, amounts([of_name.get(day, 0) for day in days], unit), strict=True))
        bottoms = [above[day] if values[day] >= 0 else below[day] for day in days]
        colour = COLOURS[number % len(COLOURS)]
        axes.bar(day_axis(days), list(values.values()), bottom=bottoms, color=colour, label=name, width=0.85)
        for day, value in values.items():
            stack = above if value >= 0 else below
            stack[day] += value
    axes.axhline(0, color="#333333", linewidth=0.8)
    axes.set_ylabel(label)
    legend_above(axes)
    dates(axes)
    thousands(axes)


def legend_above(axes: Axes) -> None:
    """What each colour stands for, above the diagram, in as many columns as the longest name leaves room for."""
    _, names = axes.get_legend_handles_labels()
    columns = max(1, _LEGEND_CELLS // (_MARK_CELLS + max(map(cell_len, names))))
    axes.legend(frameon=False, ncols=columns, fontsize=9, loc="lower left", bbox_to_anchor=(0, 1))


def day_axis(days: Iterable[date]) -> NDArray[np.datetime64]:
    """Days as an axis takes them."""
    return np.array(list(days), "M8[D]")


def dates(axes: Axes) -> None:
    """Days on the x axis, as many as there is room for."""
    # Both are without types in matplotlib.
    locator = AutoDateLocator(minticks=3, maxticks=10, interval_multiples=False)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def empty(axes: Axes) -> None:
    """Say that there is nothing to see."""
    axes.text(0.5, 0.5, "nothing in this period", ha="center", va="center", transform=axes.transAxes, color="#777777")
    axes.set_xticks([])
    axes.set_yticks([])


def save(made: Figure, path: Path) -> None:
    """Write a picture as PNG, with a font that has Chinese names where the machine has one."""
    known = {font.name for font in font_manager.fontManager.ttflist}
    families = [name for name in _CHINESE if name in known]
    with matplotlib.rc_context({"font.sans-serif": ["DejaVu Sans", *families]}):
        made.savefig(path, dpi=_DPI, format="png")
