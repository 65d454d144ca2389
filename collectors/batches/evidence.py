"""What ClickHouse and `gateway.reports` tell of a batch."""

import json
from collections.abc import Collection, Sequence
from typing import Any, Final

from collectors.batches.orders import BatchOrder
from collectors.batches.progress import WANTED, Issued, Reported, Seen
from collectors.gateways.report import Outcome
from collectors.topic_scan import scan_since
from infra.topics import GATEWAY_REPORTS

ORDERS: Final = 1
"""`source` of rows whose cause is an order."""

_METERS: Final = """
SELECT meter FROM meters FINAL
WHERE site = %(site)s AND gateway IN %(gateways)s
    AND meter NOT IN (SELECT replaces FROM meters FINAL WHERE site = %(site)s)
ORDER BY number
"""
_ALL_METERS: Final = """
SELECT meter FROM meters FINAL
WHERE site = %(site)s AND meter NOT IN (SELECT replaces FROM meters FINAL WHERE site = %(site)s)
ORDER BY number
"""
_TAKEN: Final = "SELECT max(orders_next) FROM postings WHERE partition = %(partition)s"
_REFUSALS: Final = """
SELECT offset, reason FROM refusals
WHERE site = %(site)s AND source = %(orders)s AND offset BETWEEN %(first)s AND %(last)s
"""
_COMMANDS: Final = """
SELECT meter, sequence, action, toUnixTimestamp64Milli(at) FROM commands
WHERE site = %(site)s AND at >= fromUnixTimestamp64Milli(%(since)s, 'UTC') AND meter IN %(meters)s
ORDER BY meter, sequence
"""
_SHOWN: Final = """
SELECT meter, toUnixTimestamp64Milli(max(at)) FROM readings
WHERE site = %(site)s AND at >= fromUnixTimestamp64Milli(%(since)s, 'UTC') AND meter IN %(meters)s
    AND supply = %(supply)s
GROUP BY meter
"""


def meters_of(client: Any, *, site: str, gateways: Collection[str]) -> list[str]:
    """The meters in use behind gateways, or all of a site where none is named."""
    query = _METERS if gateways else _ALL_METERS
    return [meter for (meter,) in client.execute(query, {"site": site, "gateways": list(gateways)})]


def look_at(client: Any, bootstrap: str, *, site: str, orders: Sequence[BatchOrder], partitions: int) -> Seen:
    """All that tells of the orders of a batch, at least one."""
    meters = [order.meter for order in orders]
    action = orders[0].action
    asked = {
        "site": site,
        "partition": orders[0].partition,
        "orders": ORDERS,
        "first": min(order.offset for order in orders),
        "last": max(order.offset for order in orders),
        "since": min(order.at_ms for order in orders),
        "meters": meters,
        "supply": WANTED.get(action, ("", 0))[1],
    }
    commands: dict[str, list[Issued]] = {}
    for meter, sequence, done, at_ms in client.execute(_COMMANDS, asked):
        commands.setdefault(meter, []).append(Issued(meter, sequence, done, at_ms))
    shown = dict(client.execute(_SHOWN, asked)) if action in WANTED else {}
    return Seen(
        taken_up_to=client.execute(_TAKEN, asked)[0][0],
        refusals=dict(client.execute(_REFUSALS, asked)),
        commands=commands,
        reports=_reports(bootstrap, site, set(meters), min(order.taken_ms for order in orders), partitions),
        shown=shown,
    )


def _reports(
    bootstrap: str, site: str, meters: Collection[str], since_ms: int, partitions: int
) -> dict[tuple[str, int], Reported]:
    """By meter and sequence, the first report of a command since a real time."""
    found: dict[tuple[str, int], Reported] = {}
    for record in scan_since(bootstrap, GATEWAY_REPORTS, list(range(partitions)), since_ms=since_ms):
        report = json.loads(record.value)
        outcome = Outcome(report["outcome"])
        # Of a forged one the sequence is whatever its sender wrote.
        if report["site"] == site and report["meter"] in meters and outcome is not Outcome.FORGED:
            found.setdefault((report["meter"], report["sequence"]), Reported(outcome, report["detail"]))
    return found
