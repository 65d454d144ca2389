"""`sluice replay`: a scenario file through the pure core."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from streams.core.errors import MalformedError
from streams.replay import Replay


def replay(
    file: Annotated[Path, typer.Argument(help="JSON lines as in docs/scenario.md; - reads standard input")],
) -> None:
    """Replay orders and readings, and print what the ledger makes of them as JSON."""
    run = Replay()
    try:
        # Newlines are kept as they are: only \n ends a line, as JSON Lines has it.
        with sys.stdin if str(file) == "-" else file.open(encoding="utf-8", newline="\n") as lines:
            for number, line in enumerate(lines, 1):
                run.take(number, line)
        result = run.result()
    except MalformedError as error:
        typer.echo(f"{file}: {error}", err=True)
        raise typer.Exit(2) from None
    except (OSError, UnicodeDecodeError) as error:
        typer.echo(f"{file}: {error}", err=True)
        raise typer.Exit(2) from None
    typer.echo(json.dumps(result, ensure_ascii=False, indent=1))
