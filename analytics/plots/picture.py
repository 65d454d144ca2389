"""What pictures of reports have in common. Floats are for pixels here, and for nothing else."""

import logging
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import matplotlib
import numpy as np
import pandas as pd
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray
from rich.cells import cell_len

COLOURS: Final = ("#2f6690", "#d98324", "#4a8c4f", "#a23e48", "#7a6c9d", "#8c7a5b", "#5aa9a3", "#777777", "#b8a83a")
_CHINESE: Final = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Microsoft YaHei",
    "SimHei",
    "SimSun",
    "PingFang SC",
    "Hiragino Sans GB",
    "Heiti TC",
    "Droid Sans Fallback",
    "AR PL UMing CN",
)
_DPI: Final = 120
_UPRIGHT: Final = 6
"""More names than these are written aslant."""
BARS: Final = 25
"""Names there is room for below an axis."""
SERIES: Final = len(COLOURS)
"""Lines or layers that can be told from each other."""
_MISSING: Final = re.compile(r"Glyph (\d+) .*missing from")


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
    shown = largest(values, BARS)
    axes.bar(range(len(shown)), amounts([values[place] for place in shown], unit), color=colour, width=0.7)
    below(axes, [names[place] for place in shown])
    axes.set_ylabel(label if len(shown) == len(names) else f"{label}\nthe largest {BARS} of {len(names):,}")
    thousands(axes)


def below(axes: Axes, names: Sequence[str]) -> None:
    """Write names below an axis, one at each whole number."""
    axes.set_xlim(-0.6, max(len(names), _UPRIGHT) - 0.4)
    if len(names) > _UPRIGHT:
        axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor", fontsize=8)
    else:
        axes.set_xticks(range(len(names)), names)


def largest(values: Sequence[Any], most: int) -> list[int]:
    """Where the largest values are, in the order of all; everywhere, where they are not too many.

    >>> largest([3, None, 1, -5], 2)
    [0, 3]
    """
    if len(values) <= most:
        return list(range(len(values)))
    return sorted(sorted(range(len(values)), key=lambda place: -abs(values[place] or 0))[:most])


def named(rows: pd.DataFrame, column: str) -> list[str]:
    """What a column names, with the site where there are several: what is called the same is not the same there."""
    several = rows["site"].nunique() > 1
    return [f"{site} {name}" if several else str(name) for site, name in zip(rows["site"], rows[column], strict=True)]


def legend(axes: Axes) -> None:
    """Say above a diagram which colour is what."""
    _, labels = axes.get_legend_handles_labels()
    # A name that begins with an underscore is in no legend.
    columns = max(1, min(5, 90 // (max(map(cell_len, labels), default=0) + 4)))
    axes.legend(frameon=False, ncols=columns, fontsize=9, loc="lower left", bbox_to_anchor=(0, 1))


def others(axes: Axes, count: int, what: str) -> None:
    """Say in the legend how many there is no colour for."""
    if count:
        axes.plot([], [], " ", label=f"without {count:,} {what}")


def by_day(axes: Axes, sums: Mapping[str, Mapping[date, int]], unit: int, label: str) -> None:
    """Stacked bars, one a day, a colour for each name; what is below 0 hangs down.

    Where there are more names than colours, all but the largest are one.
    """
    days = sorted({day for of_name in sums.values() for day in of_name})
    if not days:
        empty(axes)
        return
    if len(sums) > SERIES:
        sums = _with_others(sums)
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
    legend(axes)
    dates(axes)
    thousands(axes)


def _with_others(sums: Mapping[str, Mapping[date, int]]) -> dict[str, Mapping[date, int]]:
    """The largest by themselves, the others as one."""
    names = list(sums)
    kept = largest([sum(map(abs, sums[name].values())) for name in names], SERIES - 1)
    others: dict[date, int] = {}
    for place, name in enumerate(names):
        if place not in kept:
            for day, value in sums[name].items():
                others[day] = others.get(day, 0) + value
    return {names[place]: sums[names[place]] for place in kept} | {f"{len(names) - len(kept)} others": others}


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


def save(made: Figure, path: Path) -> str:
    """Write a picture as PNG, with a font that has Chinese names where the machine has one.

    Returns:
        The characters that no font here has, which the picture shows as boxes.
    """
    known = {font.name for font in font_manager.fontManager.ttflist}
    # Of several families a text takes the first that has the character; of those behind `sans-serif` it takes one.
    families = ["DejaVu Sans", *(name for name in _CHINESE if name in known)]
    # It tells of each weight that a Chinese font has not.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    for text in made.findobj(Text):
        text.set_fontfamily(families)
        # A name with two dollars is no formula.
        text.set_parse_math(False)
    with (
        matplotlib.rc_context({"font.family": families, "text.parse_math": False}),
        warnings.catch_warnings(record=True) as told,
    ):
        warnings.simplefilter("always")
        made.savefig(path, dpi=_DPI, format="png")
    missing = (_MISSING.match(str(each.message)) for each in told)
    return "".join(dict.fromkeys(chr(int(match[1])) for match in missing if match))
