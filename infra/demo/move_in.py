"""The virtual property group moves in: the orders that open its accounts and install its meters, sent once."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from collectors.orders.front_door import FrontDoor
from infra.clock import load_clock
from infra.endpoints import kafka_bootstrap
from infra.fleet.state import FleetState
from infra.settings import Settings

Order = dict[str, object]


def initial_orders(settings: Settings) -> list[Order]:
    """The orders that the fleet of this data directory has written."""
    lines = FleetState(settings.data_dir).orders_path.read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def move_in(settings: Settings) -> int:
    """Send the initial orders unless they were sent from this data directory before; returns how many were sent.

    A crash between the two leaves them to be sent again. That changes nothing: what is there already is refused, and
    recharges have ids.
    """
    sent = settings.data_dir / "demo" / "moved-in.json"
    if sent.exists():
        return 0
    orders = initial_orders(settings)
    send_orders(settings, orders)
    sent.parent.mkdir(parents=True, exist_ok=True)
    sent.write_text(json.dumps({"orders": len(orders), "at": datetime.now(UTC).isoformat()}) + "\n")
    return len(orders)


def send_orders(settings: Settings, orders: Sequence[Order]) -> None:
    """Send orders in; returns when the broker has them."""
    with FrontDoor(
        kafka_bootstrap(settings), partitions=settings.partitions, clock=load_clock(settings.data_dir)
    ) as door:
        door.submit_all(list(orders))
