"""`sluice status`: what runs, how much came in, who is behind."""

import json
import sys
import time
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from infra.logs import configure_logs
from infra.parts import PARTS, is_external
from infra.settings import Settings
from infra.status import Gauges, Process, Rates, Sample, processes, rates

MEASURED_S = 1.0
"""How long the rates are taken over."""


def status(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of tables")] = False,
) -> None:
    """Tell what runs, how much is in each topic, who is behind, and the rates over a second; exit status 1 where a
    server does not answer."""
    settings = Settings()
    configure_logs("error")
    found = processes(settings)
    with Gauges(settings, lenient=True) as gauges:
        before = gauges.sample()
        time.sleep(MEASURED_S)
        after = gauges.sample()
    measured = rates(before, after)
    if as_json:
        sys.stdout.write(json.dumps(_as_json(found, after, measured) | {"away": gauges.away}) + "\n")
    else:
        _show(Console(), _process_table(settings, found), after, measured)
    for part, why in gauges.away.items():
        sys.stderr.write(f"{part} does not answer: {why}\n")
    if gauges.away:
        raise typer.Exit(1)


def _show(console: Console, parts: Table, sample: Sample, measured: Rates) -> None:
    console.print(parts)
    if sample.ends:
        console.print(_topic_table(sample, measured))
    if sample.readings is not None:
        console.print(f"readings in ClickHouse  {sample.readings:,}, {measured.readings or 0:,}/s")


def _as_json(found: tuple[Process, ...], sample: Sample, measured: Rates) -> dict[str, object]:
    return {
        "processes": [asdict(process) for process in found],
        "topics": [
            {"topic": topic, "end": end, "records_per_s": measured.records[topic]} for topic, end in sample.ends.items()
        ],
        "lags": [asdict(lag) for lag in sample.lags],
        "readings": sample.readings,
        "readings_per_s": measured.readings,
    }


def _process_table(settings: Settings, found: tuple[Process, ...]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("part", "process", "up", "ports"):
        table.add_column(heading, no_wrap=True)
    external = {part.name for part in PARTS.values() if is_external(part, settings)}
    for process in found:
        runs = str(process.pid) if process.pid is not None else "external" if process.name in external else "-"
        ports = " ".join(f"{name}:{port}" for name, port in process.ports.items())
        table.add_row(process.name, runs, _uptime(process.uptime_s), ports)
    return table


def _topic_table(sample: Sample, measured: Rates) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("topic", no_wrap=True)
    for heading in ("end", "records/s"):
        table.add_column(heading, justify="right")
    table.add_column("behind")
    for topic, end in sample.ends.items():
        behind = (
            f"{lag.reader}: {'not begun' if lag.behind is None else f'{lag.behind:,}'}"
            for lag in sample.lags
            if lag.topic == topic
        )
        table.add_row(topic, f"{end:,}", f"{measured.records[topic]:,}", ", ".join(behind))
    return table


def _uptime(seconds: int | None) -> str:
    """Hours, minutes and seconds.

    >>> _uptime(3725)
    '1:02:05'
    """
    if seconds is None:
        return ""
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
