"""`sluice report`: a report of a period, for people and programs."""

import sys
from datetime import date
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from analytics.database import connected
from analytics.errors import AnalyticsError
from analytics.period import Period
from analytics.question import Question
from analytics.reports import REPORTS
from analytics.show.writers import Format, as_csv, as_json, as_table, write_xlsx
from infra.settings import Settings

_SITE = "SELECT 1 FROM accounts WHERE {site} LIMIT 1"
_TEXTS = {Format.TABLE: as_table, Format.CSV: as_csv, Format.JSON: as_json}


def report_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help=f"One of {', '.join(REPORTS)}")],
    first: Annotated[str, typer.Option("--from", help="First local day, such as 2026-03-01")],
    end: Annotated[str, typer.Option("--to", help="The day after the last one")],
    site: Annotated[str | None, typer.Option(help="One site alone")] = None,
    written: Annotated[Format | None, typer.Option("--format", help="table, or as FILE ends")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Instead of standard output")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="A picture of it")] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Every digit, where cents are printed otherwise")] = False,
    statement: Annotated[Path | None, typer.Option(help="collections: a channel's statement, CSV")] = None,
    meters: Annotated[Path | None, typer.Option(help="losses, theft: which meter is above which, TOML")] = None,
    places: Annotated[Path | None, typer.Option(help="zones, ranking: for once, instead of `sluice places`")] = None,
) -> None:
    """Report on a period of whole local days (Asia/Shanghai); the day of --to is not in it."""
    report = REPORTS.get(name)
    if report is None:
        raise typer.BadParameter(f"{name!r} is none of {', '.join(REPORTS)}", param_hint="NAME")
    for option, file, names in (
        ("--statement", statement, ("collections",)),
        ("--meters", meters, ("losses", "theft")),
        ("--places", places, ("zones", "ranking")),
    ):
        if file is not None and name not in names:
            # Who gives a statement to another report would take it for compared.
            raise typer.BadParameter(f"is for {' and '.join(names)}, {name} does not read it", param_hint=option)
    written = written or _format_of(out)
    if written is Format.XLSX and out is None:
        raise typer.BadParameter("xlsx needs --out FILE", param_hint="--format")
    period = Period(day_of(first, "--from"), day_of(end, "--to"))
    with connected(Settings()) as client:
        question = Question(client, period, site, statement=statement, meters=meters, places=places)
        if site is not None and not question.ask(_SITE):
            raise AnalyticsError(f"there is no site {site!r}")
        frame = report.make(question)
    try:
        _write(frame if exact else report.printed(frame), written, out, title=report.title)
        if plot is not None:
            _draw(name, frame, plot)
    except (OSError, ValueError) as error:
        raise AnalyticsError(str(error)) from error


def _write(frame: pd.DataFrame, written: Format, out: Path | None, *, title: str) -> None:
    if written is Format.XLSX:
        assert out is not None
        write_xlsx(frame, out, title=title)
    elif out is not None:
        out.write_text(_TEXTS[written](frame), encoding="utf-8")
    else:
        sys.stdout.write(_TEXTS[written](frame))


def _draw(name: str, frame: pd.DataFrame, path: Path) -> None:
    # Only where a picture is asked for: matplotlib takes two seconds to load.
    from analytics.plots import DRAWINGS
    from analytics.plots.picture import save

    missing = save(DRAWINGS[name](frame), path)
    if missing:
        text = "sluice: no font here has %s, which %s shows as boxes: install one, such as Debian's fonts-wqy-zenhei"
        typer.echo(text % (missing, path), err=True)


def _format_of(out: Path | None) -> Format:
    """What a file's ending says."""
    ending = "" if out is None else out.suffix.removeprefix(".").lower()
    if ending in ("", "txt"):
        return Format.TABLE
    if ending not in set(Format):
        raise typer.BadParameter(f"is needed: .{ending} is none of .csv, .json, .xlsx, .txt", param_hint="--format")
    return Format(ending)


def day_of(text: str, option: str) -> date:
    """The local day that an option names."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no day such as 2026-03-01", param_hint=option) from None
