"""`sluice run`: one part in the foreground."""

from typing import Annotated

import typer

from infra.parts import PARTS
from infra.run import run_part


def run(
    part: Annotated[str, typer.Argument(metavar="PART", help=f"One of {', '.join(PARTS)}")],
    worker: Annotated[int, typer.Option(help="Which of several: 0, 1, ...", min=0)] = 0,
) -> None:
    """Run one part in the foreground until Ctrl-C."""
    if part not in PARTS:
        raise typer.BadParameter(f"{part!r} is none of {', '.join(PARTS)}", param_hint="PART")
    run_part(part, worker=worker)
