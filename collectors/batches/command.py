"""`sluice batch`: supply of a whole area by one command, and how far each meter is."""

import fcntl
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from kafka.errors import KafkaError
from rich.console import Console
from rich.table import Table

from analytics.database import connected
from collectors.batches.evidence import look_at, meters_of
from collectors.batches.orders import ACTIONS, BatchError, find_batch, missing_orders
from collectors.batches.progress import Progress, tell_progress
from collectors.orders.front_door import FrontDoor
from infra.clock import load_clock
from infra.endpoints import EndpointError, kafka_bootstrap
from infra.settings import Settings
from streams.core.errors import MalformedError


def batch(
    what: Annotated[str, typer.Argument(metavar="ACTION", help=f"{', '.join(ACTIONS)}, or status")],
    identity: Annotated[
        str, typer.Argument(metavar="ID", help="The batch's; given again, only what is missing goes out")
    ],
    site: Annotated[str, typer.Option(help="Whose meters they are")] = "S1",
    gateway: Annotated[list[str] | None, typer.Option(help="All meters behind it; may be given several times")] = None,
    meter: Annotated[list[str] | None, typer.Option(help="One meter; may be given several times")] = None,
    file: Annotated[Path | None, typer.Option(help="Meters, one id a line: those of a building, say")] = None,
    whole_site: Annotated[bool, typer.Option("--whole-site", help="All meters of the site")] = False,
    operator: Annotated[str, typer.Option(help="Who gives it")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines, one a meter")] = False,
) -> None:
    """Cut, restore, retain or release many meters, or tell how far each meter of a batch is."""
    settings = Settings()
    try:
        bootstrap = kafka_bootstrap(settings)
        if what == "status":
            _tell(settings, bootstrap, identity, site, as_json)
        elif what in ACTIONS:
            meters = _select(settings, site, gateway or [], meter or [], file, whole_site)
            _give(settings, bootstrap, what, identity, site, meters, operator)
        else:
            _fail(f"{what!r} is none of {', '.join(ACTIONS)}, status")
    except (MalformedError, EndpointError, BatchError) as error:
        _fail(str(error))
    except KafkaError as error:
        _fail(f"not acknowledged by Kafka; give the batch again, only what is missing goes out: {error}", status=1)


def _select(
    settings: Settings, site: str, gateways: Sequence[str], named: Sequence[str], file: Path | None, whole_site: bool
) -> list[str]:
    """The meters that are asked for, in the order of asking."""
    if whole_site and (gateways or named or file):
        _fail("--whole-site goes alone")
    if not (whole_site or gateways or named or file):
        _fail("name meters by --gateway, --meter, --file or --whole-site")
    meters = list(named)
    if file is not None:
        try:
            meters += [line.strip() for line in file.read_text("utf-8").splitlines() if line.strip()]
        except (OSError, UnicodeDecodeError) as error:
            _fail(f"{file}: {error}")
    if whole_site or gateways:
        with connected(settings) as client:
            found = meters_of(client, site=site, gateways=gateways)
        if not found:
            _fail(f"site {site} has no meter behind {', '.join(gateways) or 'any gateway'}")
        meters += found
    if not meters:
        _fail(f"{file} names no meter")
    return meters


def _give(
    settings: Settings, bootstrap: str, action: str, identity: str, site: str, meters: Sequence[str], operator: str
) -> None:
    with (
        _alone(settings),
        FrontDoor(bootstrap, partitions=settings.partitions, clock=load_clock(settings.data_dir)) as door,
    ):
        sent = find_batch(bootstrap, identity, site=site, partitions=settings.partitions)
        orders = missing_orders(meters, action, batch=identity, site=site, operator=operator, sent=sent)
        door.submit_all(orders, batch=identity)
    typer.echo(f"batch {identity}: {len(orders)} orders taken in, {len(set(meters) & sent.keys())} were there before")


def _tell(settings: Settings, bootstrap: str, identity: str, site: str, as_json: bool) -> None:
    orders = list(find_batch(bootstrap, identity, site=site, partitions=settings.partitions).values())
    if not orders:
        _fail(f"site {site} has no batch {identity}", status=1)
    with connected(settings) as client:
        seen = look_at(client, bootstrap, site=site, orders=orders, partitions=settings.partitions)
    found = [tell_progress(order, seen) for order in orders]
    if as_json:
        for progress in found:
            typer.echo(json.dumps(asdict(progress), ensure_ascii=False))
    else:
        _print(identity, orders[0].action, found)


def _print(identity: str, action: str, found: Sequence[Progress]) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("meter", "state", "sequence", "detail"):
        table.add_column(heading, overflow="fold")
    for progress in found:
        table.add_row(progress.meter, progress.state, str(progress.sequence or ""), progress.detail)
    console = Console()
    console.print(table)
    counts = Counter(progress.state for progress in found)
    console.print(f"batch {identity}, {action}: " + ", ".join(f"{count} {state}" for state, count in counts.items()))


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Keep a second run on this data directory from sending what the first one is about to."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with (settings.data_dir / "batch.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fail(message: str, status: int = 2) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(status)
