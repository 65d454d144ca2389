"""Pictures of reports by name: the exact frame in, a matplotlib figure out."""

from collections.abc import Callable, Mapping
from typing import Final

import pandas as pd
from matplotlib.figure import Figure

from analytics.plots.energy import draw_losses, draw_ranking, draw_theft, draw_usage, draw_usage_hours, draw_zones
from analytics.plots.money import (
    draw_arrears,
    draw_collections,
    draw_components,
    draw_energy_and_finance,
    draw_late,
    draw_sales,
)
from analytics.plots.service import draw_alarms, draw_commands, draw_completeness, draw_silent

DRAWINGS: Final[Mapping[str, Callable[[pd.DataFrame], Figure]]] = {
    "energy-and-finance": draw_energy_and_finance,
    "components": draw_components,
    "late": draw_late,
    "usage": draw_usage,
    "usage-hours": draw_usage_hours,
    "ranking": draw_ranking,
    "zones": draw_zones,
    "collections": draw_collections,
    "arrears": draw_arrears,
    "sales": draw_sales,
    "silent": draw_silent,
    "completeness": draw_completeness,
    "alarms": draw_alarms,
    "commands": draw_commands,
    "losses": draw_losses,
    "theft": draw_theft,
}
