"""Pictures of the reports on consumption, losses and theft."""

from collections import defaultdict
from datetime import date
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from analytics.plots.picture import (
    COLOURS,
    SERIES,
    amounts,
    bars,
    by_day,
    dates,
    day_axis,
    empty,
    figure,
    largest,
    legend,
    named,
    others,
    thousands,
)

_UNIT = 1000
_SHOWN = 25
_SUSPECTS = 4
_KINDS = {"electricity": "kWh", "water": "m³"}


def draw_usage(frame: pd.DataFrame) -> Figure:
    """Each day's electricity by band, and each day's water."""
    sums: dict[str, dict[date, int]] = {}
    bands = [name for name in frame.columns if name.startswith("band_")]
    for name in [*bands, "unpriced_milli"]:
        of_kind = frame[frame["kind"] == "electricity"]
        days = _daily(of_kind, name)
        if any(days.values()):
            sums[name.removeprefix("band_").removesuffix("_milli")] = days
    flowed = _daily(frame[frame["kind"] == "water"], "consumption_milli")
    # An empty diagram has no days, and would take the other's away.
    made, (electricity, water) = figure(2, title="Consumption by day", share_x=bool(sums and flowed))
    by_day(electricity, sums, _UNIT, "electricity, kWh")
    by_day(water, {"water": flowed} if flowed else {}, _UNIT, "water, m³")
    return made


def draw_usage_hours(frame: pd.DataFrame) -> Figure:
    """The average day of each site, hour by hour."""
    made, axes = figure(2, title="The average day by hour of reading")
    for each, (kind, unit) in zip(axes, _KINDS.items(), strict=True):
        of_kind = frame[frame["kind"] == kind]
        if of_kind.empty:
            empty(each)
            continue
        loads = {
            str(site): [
                sum(value for value in rows[f"h{hour:02d}_milli"] if value is not None) / rows["day"].nunique()
                for hour in range(24)
            ]
            for site, rows in of_kind.groupby("site")
        }
        shown = largest([sum(hours) for hours in loads.values()], SERIES)
        for number, (site, hours) in enumerate(list(loads.items())[place] for place in shown):
            each.step(range(24), [value / _UNIT for value in hours], where="mid", color=COLOURS[number], label=site)
        others(each, len(loads) - len(shown), "sites that use less")
        each.set_ylabel(f"{kind}, {unit} an hour")
        each.set_ylim(bottom=0)
        each.set_xticks(range(0, 24, 2), [f"{hour:02d}" for hour in range(0, 24, 2)])
        legend(each)
        thousands(each)
    return made


def draw_ranking(frame: pd.DataFrame) -> Figure:
    """The meters that consumed most, of each kind."""
    made, axes = figure(2, title="Ranking")
    for each, (kind, unit) in zip(axes, _KINDS.items(), strict=True):
        of_kind = frame[frame["kind"] == kind].head(_SHOWN)
        bars(each, named(of_kind, "meter"), list(of_kind["consumption_milli"]), _UNIT, f"{kind}, {unit}")
    return made


def draw_zones(frame: pd.DataFrame) -> Figure:
    """The buildings' consumption of each kind, per m² where all their areas are known."""
    made, axes = figure(2, title="Consumption by building")
    for each, (kind, unit) in zip(axes, _KINDS.items(), strict=True):
        rows = frame[(frame["kind"] == kind) & (frame["level"] == "building")]
        by_area = len(rows) > 0 and all(value is not None for value in rows["per_m2_milli"])
        values = rows["per_m2_milli" if by_area else "consumption_milli"]
        names = [f"{site} {building or '-'}" for site, building in zip(rows["site"], rows["building"], strict=True)]
        bars(each, names, list(values), _UNIT, f"{kind}, {unit}{' per m²' if by_area else ''}")
    return made


def draw_losses(frame: pd.DataFrame) -> Figure:
    """Each master's daily loss in percent; days with an unexplained one are marked, days with unheard meters hollow."""
    days = frame[(frame["level"] == "day") & frame["loss_bp"].notna()]
    made, (axes,) = figure(title="Loss between master and sub-meters by day")
    if days.empty:
        empty(axes)
        return made
    masters = list(days.groupby(["site", "master"]))
    shown = largest([max(rows["loss_bp"]) for _, rows in masters], SERIES)
    for number, ((site, master), rows) in enumerate(masters[place] for place in shown):
        colour = COLOURS[number]
        share = amounts(list(rows["loss_bp"]), 100)
        axes.plot(day_axis(rows["day"]), share, color=colour, label=f"{site} {master}", linewidth=1.5)
        for day, value, flagged, heard, expected in zip(
            rows["day"], share, rows["unexplained"], rows["subs_heard"], rows["subs_expected"], strict=True
        ):
            if flagged:
                axes.plot(day_axis([day]), [value], "o", color=COLOURS[3])
            elif heard < expected:
                axes.plot(day_axis([day]), [value], "o", color=colour, markerfacecolor="white")
    others(axes, len(masters) - len(shown), "masters that lose less")
    axes.plot([], [], "o", color=COLOURS[3], label="unexplained")
    axes.plot([], [], "o", color="#555555", markerfacecolor="white", label="meters not heard")
    axes.axhline(0, color="#333333", linewidth=0.8)
    axes.set_ylabel("loss, % of the master")
    legend(axes)
    dates(axes)
    return made


def draw_theft(frame: pd.DataFrame) -> Figure:
    """The suspects that stopped: their days beside their neighbours' and the loss."""
    rows = frame[(frame["level"] == "evidence") & (frame["sign"] == "stopped")]
    suspects: dict[tuple[str, str, int], list[dict[str, Any]]] = defaultdict(list)
    for row in rows.to_dict("records"):
        suspects[row["site"], row["meter"], row["score"]].append({str(key): value for key, value in row.items()})
    shown = list(suspects.items())[:_SUSPECTS]
    made, axes = figure(max(len(shown), 1), title="Consumption that stopped while the neighbours' did not")
    if not shown:
        empty(axes[0])
    lines = (("consumption_milli", "meter"), ("neighbours_milli", "neighbours' average"), ("loss_milli", "loss"))
    for each, ((site, meter, score), of_meter) in zip(axes, shown, strict=False):
        for number, (name, label) in enumerate(lines):
            there = [row for row in of_meter if row[name] is not None]
            values = amounts([row[name] for row in there], _UNIT)
            if there:
                each.plot(day_axis(row["day"] for row in there), values, color=COLOURS[number], label=label)
        each.set_title(f"{site} {meter}, score {score}", fontsize=10, loc="left")
        each.set_ylabel("kWh or m³ a day")
        each.set_ylim(bottom=0)
        each.legend(frameon=False, fontsize=9)
        dates(each)
        thousands(each)
    return made


def _daily(frame: pd.DataFrame, column: str) -> dict[date, int]:
    """The sums of a column by day."""
    sums: dict[date, int] = defaultdict(int)
    for day, value in zip(frame["day"], frame[column], strict=True):
        sums[day] += value
    return sums
