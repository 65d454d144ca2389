"""The commands of `sluice`, put together from those of the packages.

Each is imported only when it is called: together they need Kafka's and ClickHouse's clients, pandas and the compiler,
which would be some seconds before `sluice status` says a word.
"""

import importlib
import sys
from types import MappingProxyType
from typing import Any, Final

import typer
from pydantic import ValidationError

from infra.errors import InfraError
from infra.settings import settings_faults

COMMANDS: Final = MappingProxyType(
    {
        "demo": "infra.demo.commands:demo",
        "up": "infra.cli.background:up",
        "down": "infra.cli.background:down",
        "status": "infra.cli.status:status",
        "run": "infra.cli.run:run",
        "fleet": "infra.fleet.command:fleet",
        "order": "collectors.commands:order",
        "recharge": "collectors.commands:recharge",
        "batch": "collectors.batches.command:batch",
        "rejected": "collectors.rejected.command:rejected",
        "clocks": "collectors.clocks_command:clocks",
        "calendar": "collectors.commands:calendar",
        "decode": "collectors.decode_command:decode",
        "template": "collectors.template_command:template",
        "replay": "streams.commands:replay",
        "audit": "analytics.audit.command:audit_command",
        "report": "analytics.command:report_command",
        "places": "analytics.places_command:places_command",
        "share": "analytics.share_command:share_command",
        "supervise": "infra.cli.background:supervise",
    }
)
"""By name: module and function."""
_HIDDEN = frozenset({"supervise"})


class LazyCommands(typer.core.TyperGroup):
    """The group that imports a command when somebody asks for it."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a name; None if there is none."""
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, function = place.partition(":")
        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        alone.command(cmd_name, hidden=cmd_name in _HIDDEN)(getattr(importlib.import_module(module), function))
        return typer.main.get_command(alone)


app = typer.Typer(
    cls=LazyCommands,
    name="sluice",
    help="Prepaid water and electricity: meters' frames in, an exact ledger, consumption in ClickHouse.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _group() -> None:
    """Has no options of its own; makes this a group, whose commands are looked up by name."""


def main() -> None:
    """Run the command line; what a user can put right is told in a sentence, without a trace."""
    try:
        app()
    except ValidationError as error:
        sys.exit(settings_faults(error))
    except InfraError as error:
        sys.exit(f"sluice: {error}")
