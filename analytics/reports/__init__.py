"""The reports by name."""

from collections.abc import Mapping
from typing import Final

from analytics.reports import arrears, energy_finance, sales
from analytics.reports.collections import collections
from analytics.reports.components import components
from analytics.reports.events import alarms, commands
from analytics.reports.late import late
from analytics.reports.losses import losses
from analytics.reports.report import Report
from analytics.reports.rounds import completeness, silent
from analytics.reports.theft import theft
from analytics.reports.usage import ranking, usage, usage_hours
from analytics.reports.zones import zones

__all__ = ["REPORTS", "Report"]

REPORTS: Final[Mapping[str, Report]] = {
    "energy-and-finance": Report(
        "Energy and finance",
        "registers, consumption and money of every account and meter, with totals",
        energy_finance.energy_and_finance,
        energy_finance.printed,
    ),
    "components": Report("Components", "what deductions were for, by component, tariff, band and tier", components),
    "late": Report("Late corrections", "what was booked after a period for days within it", late),
    "usage": Report("Usage", "consumption by meter and day, band, tier and component", usage),
    "usage-hours": Report("Usage by hour", "consumption by meter, day and hour", usage_hours),
    "ranking": Report("Ranking", "meters by consumption, against a month and a year before", ranking),
    "zones": Report("Zones", "consumption by building and circuit, per m²", zones),
    "collections": Report("Collections", "what channels collected, against a channel's statement", collections),
    "arrears": Report("Arrears", "who owes, who is low, how long each balance lasts", arrears.arrears, arrears.printed),
    "sales": Report("Sales", "recharges, refunds, reversals, adjustments", sales.sales, sales.printed),
    "silent": Report("Silent meters", "meters that are not heard of", silent),
    "completeness": Report("Completeness", "readings expected and received, and how late they came", completeness),
    "alarms": Report("Alarms", "alarms by meter and kind", alarms),
    "commands": Report("Commands", "commands and the time until a reading confirmed them", commands),
    "losses": Report("Losses", "what master meters show more than the meters behind them", losses),
    "theft": Report("Theft suspicion", "meters under suspicion, scored, with the evidence", theft),
}
