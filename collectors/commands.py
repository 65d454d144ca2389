"""`sluice order` and `sluice recharge`: orders from the command line."""

import json
import sys
import uuid
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from kafka.errors import KafkaError

from collectors.orders.front_door import FrontDoor, check_order
from infra.clock import load_clock
from infra.endpoints import EndpointError, kafka_bootstrap
from infra.settings import Settings
from streams.core.errors import MalformedError
from streams.core.strictjson import read_object


def order(
    text: Annotated[str, typer.Argument(help="An order as JSON, or - for JSON lines on standard input")] = "",
    file: Annotated[Path | None, typer.Option(help="A file of JSON lines")] = None,
) -> None:
    """Give an order to the ledger, in its language (docs/scenario.md)."""
    if bool(text) == (file is not None):
        _fail("give an order, or --file")
    if file is not None:
        try:
            lines = file.read_text("utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            _fail(f"{file}: {error}")
    else:
        lines = sys.stdin.read().split("\n") if text == "-" else [text]
    orders = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                orders.append(read_object(line))
                check_order(orders[-1])
            except MalformedError as error:
                _fail(f"line {number}: {error}")
    _submit(orders)


def calendar(
    year: Annotated[int, typer.Argument(help="Such as 2026")],
    site: Annotated[str, typer.Option(help="Whose days they are to be")] = "S1",
    since: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="Name only days from this one on")
    ] = None,
) -> None:
    """Print the order that tells a site China's official days of a year; `sluice order -` takes it."""
    # Imported only now: nothing else needs its tables.
    from collectors.orders.calendar import YearUnknownError, calendar_order

    try:
        typer.echo(json.dumps(calendar_order(year, site=site, since=since and since.date())))
    except YearUnknownError as error:
        _fail(str(error))


def recharge(
    account: Annotated[str, typer.Argument(help="The account")],
    amount: Annotated[str, typer.Argument(help="Yuan, such as 50 or 12.50")],
    site: Annotated[str, typer.Option(help="The account's site")] = "S1",
    order_id: Annotated[str, typer.Option(help="Its identity; a repeat with the same one is not booked twice")] = "",
    channel: Annotated[str, typer.Option(help="Where the money came in")] = "counter",
) -> None:
    """Recharge an account."""
    identity = order_id or f"cli-{uuid.uuid4().hex}"
    fields = {"account": account, "order_id": identity, "amount": amount, "channel": channel}
    given = {"order": "recharge", "site": site, **fields}
    try:
        check_order(given)
    except MalformedError as error:
        _fail(str(error))
    # Told first: whoever is not told of the acknowledgement sends it again under this one, and it is booked once.
    typer.echo(f"order_id {identity}")
    _submit([given])


def _submit(orders: list[dict[str, Any]]) -> None:
    settings = Settings()
    try:
        bootstrap = kafka_bootstrap(settings)
        with FrontDoor(bootstrap, partitions=settings.partitions, clock=load_clock(settings.data_dir)) as door:
            for place in door.submit_all(list(orders)):
                typer.echo(f"taken in at partition {place.partition}, offset {place.offset}")
    except (MalformedError, EndpointError) as error:
        _fail(str(error))
    except KafkaError as error:
        _fail(f"not acknowledged by Kafka, so it may be in or not; an order_id is booked once: {error}", status=1)


def _fail(message: str, status: int = 2) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(status)
