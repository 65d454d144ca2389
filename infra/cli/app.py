"""The commands of `sluice`, put together from those of the packages."""

import sys

import typer
from pydantic import ValidationError

from analytics.audit.command import audit_command
from analytics.command import report_command
from collectors.commands import calendar, order, recharge
from collectors.decode_command import decode
from infra.cli.background import down, supervise, up
from infra.cli.run import run
from infra.cli.status import status
from infra.demo.commands import demo
from infra.errors import InfraError
from infra.settings import settings_faults
from streams.commands import replay

app = typer.Typer(
    name="sluice",
    help="Prepaid water and electricity: meters' frames in, an exact ledger, consumption in ClickHouse.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(demo)
app.command()(up)
app.command()(down)
app.command()(status)
app.command()(run)
app.command()(order)
app.command()(recharge)
app.command()(calendar)
app.command()(replay)
app.command()(decode)
app.command("audit")(audit_command)
app.command("report")(report_command)
app.command(hidden=True)(supervise)


def main() -> None:
    """Run the command line; what a user can put right is told in a sentence, without a trace."""
    try:
        app()
    except ValidationError as error:
        sys.exit(settings_faults(error))
    except InfraError as error:
        sys.exit(f"sluice: {error}")
