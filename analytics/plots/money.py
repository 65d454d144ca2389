"""Pictures of the reports on money."""

from datetime import date

import pandas as pd
from matplotlib.figure import Figure

from analytics.plots.picture import (
    BARS,
    COLOURS,
    SERIES,
    amounts,
    bars,
    below,
    by_day,
    empty,
    figure,
    largest,
    legend,
    named,
    others,
    thousands,
)

_YUAN = 10**9
_SHOWN = 25
_MOVED = ("opening", "recharged", "refunded", "adjusted", "service_fees", "fees", "shared", "deducted", "closing")


def draw_collections(frame: pd.DataFrame) -> Figure:
    """What each channel collected on each day; below, with a statement, the orders that do not match."""
    days = frame[(frame["level"] == "day") & frame["day"].notna()]
    compared = bool(frame["matched"].notna().any())
    made, axes = figure(2 if compared else 1, title="Collections by channel and day")
    sums: dict[str, dict[date, int]] = {}
    for row in days.to_dict("records"):
        of_channel = sums.setdefault(row["channel"] or "none named", {})
        of_channel[row["day"]] = of_channel.get(row["day"], 0) + row["booked_nano"]
    by_day(axes[0], sums, _YUAN, "yuan")
    if compared:
        total = frame[frame["level"] == "total"].iloc[0]
        names = ("matched", "missing_here", "missing_there", "different")
        bars(axes[1], [name.replace("_", " ") for name in names], [total[name] for name in names], 1, "orders")
    return made


def draw_arrears(frame: pd.DataFrame) -> Figure:
    """Above: the largest arrears; below: the balances that are over first."""
    owing = frame[frame["status"] == "arrears"].head(_SHOWN)
    lasting = frame[frame["days_left"].notna()].sort_values("days_left", kind="stable").head(_SHOWN)
    made, (above, under) = figure(2, title="Arrears and days left")
    bars(above, named(owing, "account"), list(owing["arrears_nano"]), _YUAN, "arrears, yuan")
    bars(under, named(lasting, "account"), list(lasting["days_left"]), 1, "days left", colour=COLOURS[1])
    return made


def draw_sales(frame: pd.DataFrame) -> Figure:
    """What the office booked on each day, by kind."""
    made, (axes,) = figure(title="Sales, refunds and reversals by day")
    sums: dict[str, dict[date, int]] = {}
    for row in frame[frame["level"] == "entry"].to_dict("records"):
        # The frame keeps milliseconds UTC; the picture's days are local ones.
        day = (pd.Timestamp(row["booked_ms"], unit="ms") + pd.Timedelta(hours=8)).date()
        of_kind = sums.setdefault(row["kind"], {})
        of_kind[day] = of_kind.get(day, 0) + row["amount_nano"]
    by_day(axes, sums, _YUAN, "yuan")
    return made


def draw_components(frame: pd.DataFrame) -> Figure:
    """What each component brought each site, one upon the other."""
    made, (axes,) = figure(title="Deductions by component")
    rows = frame[frame["level"] == "site"]
    sums: dict[str, dict[str, int]] = {}
    totals: dict[str, int] = {}
    for site, component, amount in zip(rows["site"], rows["component"], rows["amount_nano"], strict=True):
        of_component = sums.setdefault(component, {})
        of_component[site] = of_component.get(site, 0) + amount
        totals[site] = totals.get(site, 0) + amount
    if not totals:
        empty(axes)
        return made
    sites = [list(totals)[place] for place in largest(list(totals.values()), BARS)]
    names = [list(sums)[place] for place in largest([sum(each.values()) for each in sums.values()], SERIES)]
    bottoms = [0.0] * len(sites)
    for name, colour in zip(names, COLOURS, strict=False):
        values = amounts([sums[name].get(site, 0) for site in sites], _YUAN)
        axes.bar(range(len(sites)), values, bottom=bottoms, color=colour, label=name, width=0.6)
        bottoms = [bottom + value for bottom, value in zip(bottoms, values, strict=True)]
    others(axes, len(sums) - len(names), "components that brought less")
    axes.set_ylabel("yuan" if len(sites) == len(totals) else f"yuan\nthe largest {BARS} of {len(totals):,} sites")
    below(axes, sites)
    legend(axes)
    thousands(axes)
    return made


def draw_late(frame: pd.DataFrame) -> Figure:
    """What came on each day for the period that was over."""
    made, (axes,) = figure(title="Booked after the period, by day of booking")
    sums: dict[str, dict[date, int]] = {}
    for row in frame.to_dict("records"):
        of_kind = sums.setdefault(row["kind"], {})
        of_kind[row["booked_day"]] = of_kind.get(row["booked_day"], 0) + row["amount_nano"]
    by_day(axes, sums, _YUAN, "yuan")
    return made


def draw_energy_and_finance(frame: pd.DataFrame) -> Figure:
    """Above: what came in and was deducted, and the balances before and after; below: electricity, and water."""
    every = frame[frame["level"] == "site"]
    moved = [max(row) for row in zip(*(map(abs, every[f"{name}_nano"]) for name in _MOVED), strict=True)]
    sites = every.iloc[largest(moved, BARS)]
    made, (money, electricity, water) = figure(3, title="Energy and finance by site", height=3.2)
    rare = [name for name in ("refunded", "adjusted", "service_fees", "fees", "shared") if sites[f"{name}_nano"].any()]
    names = ("opening", "recharged", *rare, "deducted", "closing")
    width = 0.8 / len(names)
    for number, name in enumerate(names):
        at = [place + (number - (len(names) - 1) / 2) * width for place in range(len(sites))]
        money.bar(
            at, amounts(list(sites[f"{name}_nano"]), _YUAN), width, label=name.replace("_", " "), color=COLOURS[number]
        )
    if sites.empty:
        empty(money)
    else:
        money.axhline(0, color="#333333", linewidth=0.8)
        money.set_ylabel("yuan" if len(sites) == len(every) else f"yuan\nthe largest {BARS} of {len(every):,} sites")
        legend(money)
        below(money, list(sites["site"]))
        thousands(money)
    flows = ((electricity, "electricity", "kWh"), (water, "water", "m³"))
    for number, (axes, kind, unit) in enumerate(flows):
        # A kind that nobody consumes has no scale.
        used = list(every[f"{kind}_milli"]) if every[f"{kind}_milli"].any() else []
        bars(axes, list(every["site"])[: len(used)], used, 1000, f"{kind}, {unit}", colour=COLOURS[number])
    return made
