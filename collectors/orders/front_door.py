"""The front door for orders: shape checked, stamped, and into `office.orders` with the broker's acknowledgement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

import msgspec
from kafka import KafkaProducer

from collectors.batches.orders import BATCH_HEADER
from infra.topics import OFFICE_ORDERS, partition_of
from streams.core.errors import MalformedError
from streams.core.localtime import format_time, parse_time
from streams.core.orderform import check_site, parse_order

DEFAULT_SITE = "S1"
_ACKNOWLEDGED_S = 30


class Clock(Protocol):
    def now_ms(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Submitted:
    """Where an order stands in its topic."""

    partition: int
    offset: int


def check_order(order: Mapping[str, Any]) -> str:
    """Check an order's shape; the site it is for.

    Raises:
        MalformedError: A field is unknown, missing or of the wrong form; names it.
    """
    site = order.get("site", DEFAULT_SITE)
    if not isinstance(site, str):
        raise MalformedError("site", "must be a text")
    check_site(site, "site")
    if "at" in order and (not isinstance(order["at"], str) or parse_time(order["at"]) is None):
        raise MalformedError("at", "must be a time such as 2026-01-05T08:00:00+08:00")
    parse_order(order)
    return site


def stamp_order(order: Mapping[str, Any], *, site: str, now: int) -> dict[str, Any]:
    """An order with its site, and with the time `now` (ms) unless it brings its own.

    Raises:
        MalformedError: Its own time is ahead: a site's time never goes back, so one order from the future would put all
            that follows there.
    """
    if "at" in order and (parse_time(order["at"]) or 0) > now:
        raise MalformedError("at", f"is ahead of the clock, which shows {format_time(now)}")
    return {"at": format_time(now), **order, "site": site}


class FrontDoor:
    """Takes orders in; a context manager."""

    def __init__(self, bootstrap: str, *, partitions: int, clock: Clock) -> None:
        self._partitions = partitions
        self._clock = clock
        self._producer = KafkaProducer(
            bootstrap_servers=bootstrap.split(","),
            client_id="sluice-orders",
            acks="all",
            enable_idempotence=True,
            linger_ms=1,
            allow_auto_create_topics=False,
            # The library's own limit of 30 s would be added to every time that Kafka is away.
            reconnect_backoff_max_ms=1000,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._producer.close()

    def submit(self, order: Mapping[str, Any]) -> Submitted:
        """Send one order; returns when the broker has it.

        The time it is stamped with is that of the front door, unless it brings its own.

        Raises:
            MalformedError: The order is not in the ledger's language; nothing was sent.
        """
        return self.submit_all([order])[0]

    def submit_all(self, orders: Sequence[Mapping[str, Any]], *, batch: str = "") -> list[Submitted]:
        """Send orders in their order; all are checked before the first is sent.

        Args:
            batch: Put into the header `sluice-batch` of their records, so that they can be found again.
        Raises:
            MalformedError: An order is not in the ledger's language, or its own `at` is ahead of the clock.
        """
        sites = [check_order(order) for order in orders]
        now = self._clock.now_ms()
        stamped = [stamp_order(order, site=site, now=now) for site, order in zip(sites, orders, strict=True)]
        sent = []
        for site, order in zip(sites, stamped, strict=True):
            partition = partition_of(site.encode(), self._partitions)
            value = msgspec.json.encode(order)
            key, headers = site.encode(), [(BATCH_HEADER, batch.encode())] if batch else []
            sent.append(self._producer.send(OFFICE_ORDERS, value, key=key, headers=headers, partition=partition))
        taken = [future.get(timeout=_ACKNOWLEDGED_S) for future in sent]
        return [Submitted(place.partition, place.offset) for place in taken]
