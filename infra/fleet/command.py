"""`sluice fleet`: the virtual property group by itself, and whether the ledger charged what its meters counted."""

import json
import time
from dataclasses import asdict
from typing import Annotated, Any

import typer

from analytics.database import connected
from infra.endpoints import EndpointError, running
from infra.fleet.meter import Kind
from infra.fleet.property import Property
from infra.fleet.server import PART, TRUTH, main
from infra.fleet.size import size_of
from infra.fleet.state import FleetState
from infra.fleet.tie import Tie, tie
from infra.fleet.truth import TruthClient
from infra.logs import configure_logs
from infra.settings import Settings

_ACTIONS = ("run", "check")
_SHOWN = 20
_AGAIN_S = 1.0


def fleet(
    action: Annotated[str, typer.Argument(help="run: in the foreground; check: compare the ledger with it")] = "run",
    links: Annotated[str | None, typer.Option(help="Of its gateways, with commas between, or all")] = None,
    faults: Annotated[str | None, typer.Option(help="What goes wrong, with commas between, or all")] = None,
    hours: Annotated[int | None, typer.Option(help="Virtual hours after which it draws nothing and is calm")] = None,
    mqtt: Annotated[str | None, typer.Option(help="host:port of the broker of its gateways by MQTT")] = None,
    wait: Annotated[float, typer.Option(help="check: seconds in which they may become equal", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="check: one JSON object")] = False,
) -> None:
    """Run a virtual property group, or check that the ledger charged exactly what its meters counted.

    `check` ends with status 1 if the two differ, as they do while tenants draw: by what no reading shows yet.
    """
    if action not in _ACTIONS:
        typer.echo(f"fleet: {action!r} is not one of {', '.join(_ACTIONS)}", err=True)
        raise typer.Exit(2)
    given = {"fleet_links": links, "fleet_faults": faults, "fleet_hours": hours, "fleet_mqtt": mqtt}
    settings = Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]  # each has its field's type
    if action == "run":
        configure_logs(settings.log_level)
        main(settings)
        return
    configure_logs("error")
    found = _compare(settings, wait)
    if as_json:
        typer.echo(json.dumps(asdict(found)))
    else:
        _tell(found)
    if found.differing:
        raise typer.Exit(1)


def _compare(settings: Settings, wait_s: float) -> Tie:
    """Compare until they are equal, or the time is up."""
    record = running(settings, PART)
    if record is None:
        raise EndpointError("the virtual property group does not run: `sluice up` or `sluice fleet` starts it")
    group = FleetState(settings.data_dir).property_group(size_of(settings))
    until = time.monotonic() + wait_s
    with connected(settings) as client, TruthClient(record.ports[TRUTH]) as truth:
        while True:
            found = _once(group, client, truth)
            if not found.differing or time.monotonic() >= until:
                return found
            time.sleep(_AGAIN_S)


def _once(group: Property, client: Any, truth: TruthClient) -> Tie:
    charged = dict(client.execute("SELECT meter, sum(consumption_milli) FROM readings GROUP BY meter"))
    return tie(group, truth.all(), charged)


def _tell(found: Tie) -> None:
    counted = [f"{found.counted[Kind.ELECTRICITY] / 1000:,.2f} kWh", f"{found.counted[Kind.WATER] / 1000:,.2f} m3"]
    typer.echo(f"{found.meters} meters, {found.replaced} replaced; they counted {' and '.join(counted)}")
    for each in found.differing[:_SHOWN]:
        typer.echo(f"{each.meter}: counted {each.counted}, charged {each.charged}: {each.charged - each.counted:+d}")
    if len(found.differing) > _SHOWN:
        typer.echo(f"and {len(found.differing) - _SHOWN} more")
    if not found.differing:
        typer.echo("the ledger charged exactly that, meter by meter")
