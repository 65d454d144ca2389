"""The orders of a batch: which meters have theirs already, and which are to be sent.

An order of a batch carries the batch's id in the header `sluice-batch` of its record, so the topic itself remembers
what was sent: whoever gives the same batch again, on any machine, sends only what is missing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from collectors.topic_scan import scan_from
from infra.topics import OFFICE_ORDERS, partition_of
from streams.core.errors import MalformedError
from streams.core.localtime import parse_time
from streams.core.strictjson import read_object

BATCH_HEADER: Final = "sluice-batch"
ACTIONS: Final = ("cut", "restore", "retain", "release", "sync_time")


class BatchError(Exception):
    """A batch that cannot be given as asked; nothing was sent."""


@dataclass(frozen=True, slots=True)
class BatchOrder:
    """One meter's order of a batch, as it stands in its topic.

    Attributes:
        at_ms: The time it was stamped with at the door.
        taken_ms: When the broker took it in, real ms.
    """

    meter: str
    action: str
    partition: int
    offset: int
    at_ms: int
    taken_ms: int


def find_batch(bootstrap: str, batch: str, *, site: str, partitions: int) -> dict[str, BatchOrder]:
    """The orders of a batch by meter; reads all orders of the site's partition."""
    partition = partition_of(site.encode(), partitions)
    found: dict[str, BatchOrder] = {}
    for record in scan_from(bootstrap, OFFICE_ORDERS, partition):
        order = _batch_order(record, batch, site)
        if order is not None:
            found.setdefault(order.meter, order)
    return found


def missing_orders(
    meters: Iterable[str], action: str, *, batch: str, site: str, operator: str, sent: Mapping[str, BatchOrder]
) -> list[dict[str, str]]:
    """The orders of a batch that are not in the topic yet, each meter's once.

    Raises:
        BatchError: The id was used for another action.

    >>> missing_orders(["M2", "M1", "M2"], "cut", batch="B1", site="S1", operator="", sent={})
    ... # doctest: +NORMALIZE_WHITESPACE
    [{'order': 'control', 'site': 'S1', 'meter': 'M2', 'action': 'cut'},
     {'order': 'control', 'site': 'S1', 'meter': 'M1', 'action': 'cut'}]
    """
    others = {order.action for order in sent.values()} - {action}
    if others:
        raise BatchError(f"batch {batch} was given as {', '.join(sorted(others))} before: a new one needs a new id")
    named = {"operator": operator} if operator else {}
    return [
        {"order": "control", "site": site, "meter": meter, "action": action, **named}
        for meter in dict.fromkeys(meters)
        if meter not in sent
    ]


def _batch_order(record: Any, batch: str, site: str) -> BatchOrder | None:
    """The order that a record is of a batch; None if it is of none, of another or of another site."""
    if (BATCH_HEADER, batch.encode()) not in list(record.headers or ()) or record.key != site.encode():
        return None
    try:
        order = read_object(record.value or b"")
    except MalformedError:
        return None
    return BatchOrder(
        meter=str(order.get("meter")),
        action=str(order.get("action")),
        partition=record.partition,
        offset=record.offset,
        at_ms=parse_time(str(order.get("at"))) or 0,
        taken_ms=record.timestamp,
    )
