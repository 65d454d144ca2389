"""`sluice share`: prints the order by which accounts pay for a public meter."""

import json
from pathlib import Path
from typing import Annotated

import typer

from analytics.command import day_of
from analytics.database import connected
from analytics.errors import AnalyticsError
from analytics.period import Period
from analytics.question import Question
from analytics.sharing import By, Sharing, read_weights, share_order
from infra.clock import load_clock
from infra.settings import Settings


def share_command(
    public: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account of the public meter")],
    site: Annotated[str, typer.Option(help="Its site")],
    first: Annotated[str, typer.Option("--from", help="First local day, such as 2026-03-01")],
    end: Annotated[str, typer.Option("--to", help="The day after the last one")],
    by: Annotated[By, typer.Option(help="What each pays by")] = "consumption",
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="For area and parts: columns account and weight")
    ] = None,
    left_out: Annotated[
        list[str] | None, typer.Option("--except", metavar="ACCOUNT", help="Who pays nothing; as often as needed")
    ] = None,
) -> None:
    """Print the order that shares what a public meter cost over a period; send it with `sluice order -`."""
    if (weights is None) != (by == "consumption"):
        raise typer.BadParameter("is for area and parts, which need it", param_hint="--weights")
    settings = Settings()
    period = Period(day_of(first, "--from"), day_of(end, "--to"))
    if period.end_ms > load_clock(settings.data_dir).now_ms():
        raise AnalyticsError(f"the period is not over before {period.end}: what it costs may still grow")
    sharing = Sharing(public, by, {} if weights is None else read_weights(weights), left_out or ())
    with connected(settings) as client:
        typer.echo(json.dumps(share_order(Question(client, period, site), sharing), ensure_ascii=False))
