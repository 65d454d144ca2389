"""Bytes a reading of the virtual fleet takes in ClickHouse, everything included.

Two cases: 2,000 meters over 5 days, read every 5 minutes, which is what `SLUICE_POLL_INTERVAL_S` is if nobody sets it;
and over 30 days, read every half hour. `fleet_disk:200,7,900` is a group of 200 meters over 7 days every 900 s. Meters,
tenants, tariffs and first recharges are those of the virtual fleet; each meter's display is folded by the ledger, a
meter is cut and restored as the ledger says, and tenants in arrears pay. Lines are left out: a gateway begins its round
at its place in the interval and reads meter after meter, each in nearly the same time every time. Rows go in by the
sink's own way and are merged before they are measured. The sum of what was stored is compared with what the meters
counted.
"""

import dataclasses
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from clickhouse_driver import Client

from collectors.gateways.pace import place_in_interval
from infra.endpoints import clickhouse_url
from infra.fleet.meter import Meter
from infra.fleet.orders import initial_orders
from infra.fleet.property import Property, PropertySize
from infra.fleet.state import FleetState
from infra.settings import Settings
from streams.core.localtime import format_time, parse_time
from streams.core.outcome import Position, Source, Supply
from streams.core.site import ReadingBatch, SiteLedger
from streams.postings import Inputs, Postings, Span, cut_postings
from tests.bench.database import database, sizes
from tests.ledger_history import History

CASES: Final = ((2000, 5, Settings.model_fields["poll_interval_s"].default), (2000, 30, 1800))
"""Meters, days, seconds between two rounds."""
ANSWER_MS: Final = 60
LATER_MS: Final = 15
"""How much later than usual a meter answers, at most."""
PAID: Final = "300.00"
METERS_A_GATEWAY: Final = 50
BLOCK: Final = 50


def results(*case: str) -> Iterator[dict[str, object]]:
    """Bytes a reading, table by table and column by column."""
    for meters, days, interval_s in [tuple(int(each) for each in case)] if case else CASES:
        yield from _stored(meters, days, interval_s)


def _stored(count: int, days: int, interval_s: int) -> Iterator[dict[str, object]]:
    size = PropertySize(sites=2, gateways=max(2, count // METERS_A_GATEWAY), meters=count)
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder:
        group = FleetState(Path(folder)).property_group(size)
    history = History()
    sites = [_Site(group, number, history, interval_s * 1000) for number in range(len(group.sites))]
    counted = sum(site.run(days) for site in sites)
    with database() as (settings, _), Client.from_url(clickhouse_url(settings)) as client:
        history.write(clickhouse_url(settings), block=BLOCK)
        _merge(client)
        ((readings, consumed),) = client.execute("SELECT count(), sum(toInt128(consumption_milli)) FROM readings")
        assert consumed == counted, (consumed, counted)
        yield {
            "bench": "fleet_disk",
            "case": "stored",
            "interval_s": interval_s,
            "readings": readings,
            "consumption_milli": consumed,
        }
        yield from sizes(client, "fleet_disk")


def _merge(client: Any) -> None:
    parts = client.execute(
        "SELECT DISTINCT table, partition_id FROM system.parts WHERE active AND database = currentDatabase()"
    )
    for table, partition in parts:
        client.execute(f"OPTIMIZE TABLE {table} PARTITION ID '{partition}' FINAL")


class _Site:
    """A site's meters, its ledger, and what passes between them."""

    def __init__(self, group: Property, number: int, history: History, interval_ms: int) -> None:
        self._site, self._number, self._history = group.sites[number], number, history
        self._interval_ms = interval_ms
        self._ledger = SiteLedger(self._site)
        self._frames = self._orders = self._batch = 0
        for order in initial_orders(group):
            if order["site"] == self._site:
                self._order(order)
        self._meters = {
            self._ledger.meter_number(spec.meter): Meter(spec)
            for gateway in group.gateways
            for spec in gateway.meters
            if spec.site == self._site and not spec.is_spare
        }
        self._gateways = sorted(
            (
                group.origin_ms + int(place_in_interval(gateway.gateway) * interval_ms),
                [self._ledger.meter_number(spec.meter) for spec in gateway.meters if not spec.is_spare],
            )
            for gateway in group.gateways
            if gateway.site == self._site
        )
        self._accounts = {
            number: account.account
            for number, account in enumerate(each for each in group.accounts if each.site == self._site)
        }
        self._random = random.Random(number)
        self._settle()

    def run(self, days: int) -> int:
        """Read every meter each interval; what they counted, Wh and litres."""
        rounds = days * 86_400_000 // self._interval_ms
        read_at = dict.fromkeys(self._meters, 0)
        for number in range(1, rounds + 1):
            for begin_ms, gateway in self._gateways:
                at_ms = begin_ms + number * self._interval_ms
                for place, meter in enumerate(gateway):
                    read_at[meter] = at_ms + place * ANSWER_MS + self._random.randint(0, LATER_MS)
                self._read(gateway, [read_at[meter] for meter in gateway])
            self._settle()
        return sum(meter.counted_wh(read_at[number]) for number, meter in self._meters.items())

    def _read(self, numbers: list[int], times_ms: list[int]) -> None:
        meters = [self._meters[number] for number in numbers]
        count = len(numbers)
        self._ledger.take_readings(
            ReadingBatch(
                meter=np.array(numbers, np.int32),
                register=np.array([meter.shown_wh(at) for meter, at in zip(meters, times_ms, strict=True)], np.int64),
                read_at=np.array(times_ms, np.int64),
                at=np.full(count, times_ms[-1]),
                supply=np.array(
                    [
                        Supply.OFF if meter.is_open(at) else Supply.ON
                        for meter, at in zip(meters, times_ms, strict=True)
                    ],
                    np.uint8,
                ),
                offset=np.full(count, self._frames, np.int64),
                line=np.arange(count, dtype=np.uint32),
            )
        )
        self._now_ms = times_ms[-1]
        self._frames += 1

    def _order(self, order: dict[str, object]) -> None:
        at = parse_time(str(order["at"]))
        assert at is not None
        self._now_ms = at
        self._ledger.take_order(order, at=at, position=Position(Source.ORDERS, self._orders, 0))
        self._orders += 1

    def _settle(self) -> None:
        outcome = self._ledger.settle()
        inputs = Inputs(Span(0, self._frames), Span(0, self._orders))
        for part in cut_postings(Postings(self._site, self._number, self._batch, inputs, outcome)):
            self._history.add(self._number, part)
        self._batch += 1
        for command in outcome.commands:
            meter = self._meters[command.meter]
            control = dataclasses.replace(meter.control, is_open=command.action == "cut")
            change = meter.change_to(control, at_ms=self._now_ms)
            if change is not None:
                meter.apply(change)
        for notice in outcome.notices:
            if notice.kind == "arrears":
                self._order(
                    {
                        "at": format_time(self._now_ms),
                        "order": "recharge",
                        "site": self._site,
                        "operator": "fleet",
                        "account": self._accounts[notice.account],
                        "order_id": f"PAID-{self._site}-{self._orders}",
                        "amount": PAID,
                        "channel": "wechat",
                    }
                )
