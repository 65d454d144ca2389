"""`sluice run`: one part in the foreground."""

from typing import Annotated

import typer

from infra.logs import configure_logs
from infra.parts import PARTS
from infra.process import end_with_parent
from infra.settings import Settings


def run(
    part: Annotated[str, typer.Argument(metavar="PART", help=f"One of {', '.join(PARTS)}")],
    worker: Annotated[int, typer.Option(help="Which of several: 0, 1, ...", min=0)] = 0,
    parent: Annotated[int, typer.Option(hidden=True, help="End when this process does")] = 0,
) -> None:
    """Run one part in the foreground until Ctrl-C."""
    if part not in PARTS:
        raise typer.BadParameter(f"{part!r} is none of {', '.join(PARTS)}", param_hint="PART")
    if parent:
        end_with_parent(parent)
    settings = Settings()
    configure_logs(settings.log_level)
    PARTS[part].run(settings, worker)
