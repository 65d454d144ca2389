"""The commands of `sluice`, put together from those of the packages."""

import sys

import typer
from pydantic import ValidationError

from infra.cli.run import run

app = typer.Typer(
    name="sluice",
    help="Prepaid water and electricity: meters' frames in, an exact ledger, consumption in ClickHouse.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(run)


@app.callback()
def _sluice() -> None:
    """Keep `run` a command of its own also while it is the only one."""


def main() -> None:
    """Run the command line; settings that are wrong are told by name, all at once."""
    try:
        app()
    except ValidationError as error:
        sys.exit(_settings_faults(error))


def _settings_faults(error: ValidationError) -> str:
    faults = [f"SLUICE_{'_'.join(map(str, fault['loc'])).upper()}: {fault['msg']}" for fault in error.errors()]
    return "\n".join(faults)
