"""`sluice places`: files where meters hang, or prints what is filed."""

import csv
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import typer

from analytics.command import day_of
from analytics.database import connected
from analytics.filed_places import file_places, filed_places
from analytics.money import units
from analytics.period import Period
from analytics.places import read_places
from analytics.question import Question
from infra.clock import load_clock
from infra.settings import Settings
from streams.core.localtime import day_of as local_day_of

_HEADINGS = ("site", "meter", "building", "circuit", "area_m2")


def places_command(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE.csv]", help="site, meter, and maybe building, circuit, area_m2")
    ] = None,
    first: Annotated[
        str | None, typer.Option("--from", metavar="DAY", help="From which local day on it holds; today if left out")
    ] = None,
    on: Annotated[
        str | None, typer.Option("--on", metavar="DAY", help="Without a file: what held on this day; today if left out")
    ] = None,
) -> None:
    """File where meters hang, for `sluice report zones` and `ranking`; without a file, print what is filed as CSV."""
    if (first if file is None else on) is not None:
        raise typer.BadParameter("does not go with that", param_hint="--from" if file is None else "--on")
    settings = Settings()
    now_ms = load_clock(settings.data_dir).now_ms()
    with connected(settings) as client:
        if file is not None:
            day = day_of(first, "--from") if first else _day(now_ms)
            places = read_places(file)
            file_places(client, places, valid_from=day, filed_at_ms=now_ms)
            typer.echo(f"{len(places)} meters filed, from {day} on")
            return
        day = day_of(on, "--on") if on else _day(now_ms)
        rows = filed_places(Question(client, Period(day, day + timedelta(days=1))))
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_HEADINGS)
    for (site, meter), place in rows.items():
        area = "" if place.area_milli is None else units(place.area_milli)
        writer.writerow((site, meter, place.building, place.circuit, area))


def _day(now_ms: int) -> date:
    return date(1970, 1, 1) + timedelta(days=local_day_of(now_ms))
