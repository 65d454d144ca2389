"""`sluice clocks`: how far the clocks of meters are off."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from collectors.gateways.clock_book import CLOCKS_FILE, ClockBook, MeterClock
from collectors.gateways.clock_care import TOLERATED_MS
from infra.settings import Settings
from streams.core.localtime import format_time


def clocks(
    everything: Annotated[bool, typer.Option("--all", help="Also those that are right to 10 s")] = False,
    site: Annotated[str, typer.Option(help="Of this site alone")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines")] = False,
) -> None:
    """List the meters whose clocks are off, or show no time, as the collector measured them last."""
    path = Settings().data_dir / CLOCKS_FILE
    if not path.exists():
        typer.echo(f"clocks: {path} is not there: the collector has measured none", err=True)
        raise typer.Exit(2)
    book = ClockBook(path)
    try:
        found = [each for each in book.all() if not site or each.site == site]
    finally:
        book.close()
    off = [each for each in found if each.drift_ms is None or abs(each.drift_ms) > TOLERATED_MS]
    for each in found if everything else off:
        typer.echo(json.dumps(asdict(each)) if as_json else _line(each))
    if not as_json:
        typer.echo(f"{len(found)} clocks measured, {len(off)} off by more than {TOLERATED_MS // 1000} s")


def _line(clock: MeterClock) -> str:
    drift = "shows no time" if clock.drift_ms is None else f"{clock.drift_ms / 1000:+.1f} s"
    told = f"{clock.site} {clock.gateway} {clock.meter}: {drift}, measured {format_time(clock.measured_ms)}"
    return told if clock.set_ms is None else f"{told}, set {format_time(clock.set_ms)}"
