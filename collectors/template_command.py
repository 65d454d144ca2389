"""`sluice template check`: whether a template of one's own can be used, and what is wrong with it if not."""

from pathlib import Path
from typing import Annotated

import typer

from collectors.wire.template_file import TemplateError, read_template

_ACTIONS = ("check",)


def template(
    action: Annotated[str, typer.Argument(help="check: tell all that is wrong with the files")],
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Templates, such as templates/NAME.toml")],
) -> None:
    """Check templates; exit status 2 and each fault with file, line and field if one cannot be used."""
    if action not in _ACTIONS:
        typer.echo(f"template: {action!r} is not one of {', '.join(_ACTIONS)}", err=True)
        raise typer.Exit(2)
    told = [faults_of(path) for path in files]
    for path, faults in zip(files, told, strict=True):
        if faults:
            typer.echo("\n".join(faults), err=True)
        else:
            typer.echo(f"{path}: good")
    if any(told):
        raise typer.Exit(2)


def faults_of(path: Path) -> list[str]:
    """What is wrong with a file, each with its line and field; nothing if it can be used."""
    if path.suffix != ".toml":
        return [f"{path}: is not called NAME.toml"]
    try:
        read_template(path.stem, path.read_text("utf-8"))
    except TemplateError as error:
        return [f"{path}:{fault.line}: {fault.field or 'text'} {fault.reason}" for fault in error.faults]
    except (OSError, UnicodeDecodeError) as error:
        return [f"{path}: cannot be read: {error}"]
    return []
