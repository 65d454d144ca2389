"""`sluice demo`."""

import logging
from typing import Annotated

import typer
from rich.console import Console

from infra.demo.live import run_live
from infra.demo.once import run_once
from infra.logs import configure_logs
from infra.settings import Settings
from infra.supervisor.signals import Stopped, stop_on_signals

INTERRUPTED = 130


def demo(
    once: Annotated[bool, typer.Option("--once", help="A fixed short scenario with a table of checks")] = False,
    faults: Annotated[
        bool, typer.Option("--faults", help="The same while the ledger is killed twice and the sink once")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the data of a checked run")] = False,
    speed: Annotated[int | None, typer.Option(help="Virtual seconds in a real one")] = None,
    sites: Annotated[int | None, typer.Option(help="Of the virtual property group")] = None,
    gateways: Annotated[int | None, typer.Option(help="Of the virtual property group")] = None,
    meters: Annotated[int | None, typer.Option(help="Of the virtual property group")] = None,
) -> None:
    """Run everything over a virtual property group and watch it, until Ctrl-C."""
    given = {"speed": speed, "sites": sites, "gateways": gateways, "meters": meters}
    settings = Settings.model_validate({name: value for name, value in given.items() if value is not None})
    if keep and not (once or faults):
        raise typer.BadParameter("goes with --once; without it the data are always kept", param_hint="--keep")
    configure_logs("error")
    # kafka-python calls its own looking for brokers an error when a client is closed meanwhile; what fails is raised.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    console = Console()
    stop_on_signals()
    try:
        if once or faults:
            if not run_once(settings, console, with_faults=faults, keep=keep):
                raise typer.Exit(1)
        else:
            run_live(settings, console)
    except Stopped:
        if once or faults:
            console.print("interrupted")
            raise typer.Exit(INTERRUPTED) from None
        console.print("stopped; the next start finds its data")
