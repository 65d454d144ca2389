"""Pictures of the reports on readings, alarms and commands."""

import pandas as pd
from matplotlib.figure import Figure

from analytics.plots.picture import COLOURS, amounts, bars, empty, figure, named

_SHOWN = 25
_HOUR_MS = 3_600_000
_MINUTE_MS = 60_000


def draw_silent(frame: pd.DataFrame) -> Figure:
    """The meters that were silent longest."""
    made, (axes,) = figure(title="Silent meters")
    shown = frame.head(_SHOWN)
    names = [f"{name} ({status})" for name, status in zip(named(shown, "meter"), shown["status"], strict=True)]
    bars(axes, names, list(shown["silent_took_ms"]), _HOUR_MS, "hours without a reading")
    return made


def draw_completeness(frame: pd.DataFrame) -> Figure:
    """The meters that lack most, and those that come latest."""
    meters = frame[frame["level"] == "meter"]
    made, (above, below) = figure(2, title="Completeness and lateness")
    lacking = meters[meters["completeness_bp"].notna()].sort_values("completeness_bp", kind="stable").head(_SHOWN)
    bars(above, named(lacking, "meter"), list(lacking["completeness_bp"]), 100, "received, % of expected")
    late = meters[meters["longest_delay_took_ms"].notna()]
    late = late.sort_values("longest_delay_took_ms", ascending=False, kind="stable").head(_SHOWN)
    bars(
        below,
        named(late, "meter"),
        list(late["longest_delay_took_ms"]),
        _MINUTE_MS,
        "longest delay, minutes",
        colour=COLOURS[1],
    )
    return made


def draw_alarms(frame: pd.DataFrame) -> Figure:
    """The meters and kinds with most alarms."""
    made, (axes,) = figure(title="Alarms")
    shown = frame.head(_SHOWN)
    names = [f"{name} {kind}" for name, kind in zip(named(shown, "meter"), shown["kind"], strict=True)]
    bars(axes, names, list(shown["alarms"]), 1, "alarms")
    return made


def draw_commands(frame: pd.DataFrame) -> Figure:
    """How long commands took until a reading confirmed them, and how many were not."""
    made, (above, below) = figure(2, title="Commands")
    minutes = {
        action: amounts(list(rows["until_confirmed_took_ms"]), _MINUTE_MS)
        for action, rows in frame[frame["status"] == "confirmed"].groupby("action")
    }
    if minutes:
        above.hist(
            list(minutes.values()), bins=30, label=[str(name) for name in minutes], color=COLOURS[: len(minutes)]
        )
        above.set_xlabel("minutes until confirmed")
        above.set_ylabel("commands")
        above.legend(frameon=False, fontsize=9)
    else:
        empty(above)
    counted = frame.groupby(["action", "status"]).size() if len(frame) else pd.Series(dtype=int)
    bars(below, [" ".join(map(str, name)) for name in counted.index], list(counted), 1, "commands")
    return made
