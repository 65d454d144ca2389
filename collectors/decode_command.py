"""`sluice decode`: what one frame says, as a JSON object."""

import json
import sys
from typing import Annotated, NoReturn

import typer

from collectors.wire.describe import cjt188, dlt645, mbus, modbus
from collectors.wire.errors import FrameError

_PROTOCOLS = {"dlt645": dlt645.describe, "cjt188": cjt188.describe, "modbus": modbus.describe, "mbus": mbus.describe}


def decode(
    protocol: Annotated[str, typer.Argument(help=f"One of {', '.join(_PROTOCOLS)}")],
    frame: Annotated[list[str], typer.Argument(metavar="HEX", help="The frame's bytes, spaces allowed")],
) -> None:
    """Tell what a frame of a meter says; exit status 2 and the reason if it is no good one."""
    describe = _PROTOCOLS.get(protocol)
    if describe is None:
        _fail(f"protocol {protocol!r} is not one of {', '.join(_PROTOCOLS)}")
    text = "".join("".join(frame).split())
    try:
        data = bytes.fromhex(text)
    except ValueError:
        _fail(f"{text!r} is not an even number of hexadecimal digits")
    try:
        told = describe(data)
    except FrameError as error:
        _fail(str(error))
    sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")


def _fail(reason: str) -> NoReturn:
    typer.echo(f"decode: {reason}", err=True)
    raise typer.Exit(2)
