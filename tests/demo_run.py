"""A small run of the virtual property group through the ledger's own code, without servers: what it leaves behind."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from infra.demo.evidence.topics import TopicRecord
from infra.fleet.layout import lay_out
from infra.fleet.meter import Meter, MeterSpec
from infra.fleet.orders import initial_orders
from infra.fleet.property import GatewayPlan, Property, PropertySize
from infra.fleet.state import VIRTUAL_ORIGIN_MS
from infra.topics import LEDGER_POSTINGS, LEDGER_STATE
from sinks.clickhouse.sink import Record
from streams.core.site import SiteLedger
from streams.partition import Partition
from streams.records import NextOffsets
from tests.ledger_inputs import energy_round, never_ahead

ROUND_MS = 300_000
ROUNDS = 4


@dataclass
class Input:
    """A record as the ledger takes it."""

    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int = 0


@dataclass(frozen=True)
class SmallRun:
    """Records of one site in partition 0; the first rounds came before the meters were installed."""

    group: Property
    frames: list[TopicRecord] = field(default_factory=list)
    orders: list[TopicRecord] = field(default_factory=list)
    state: list[TopicRecord] = field(default_factory=list)
    postings: list[Record] = field(default_factory=list)


def small_run() -> SmallRun:
    """Two gateways of both protocols with three meters each, read four times; the demo account is among theirs."""
    run = SmallRun(lay_out(PropertySize(sites=1, gateways=2, meters=6), origin_ms=VIRTUAL_ORIGIN_MS))
    partition = Partition(
        0,
        partitions=1,
        start=NextOffsets(frames=0, orders=0, sequence=0),
        pages={},
        open_site=SiteLedger.load,
        is_ahead=never_ahead,
    )
    orders = [json.dumps(order).encode() for order in initial_orders(run.group)]
    for number in range(ROUNDS):
        frames = list(_rounds(run.group, VIRTUAL_ORIGIN_MS + (number + 1) * ROUND_MS))
        _take(run, partition, [], frames)
        if not number:
            _take(run, partition, orders, [])
    return run


def _take(run: SmallRun, partition: Partition, orders: Sequence[bytes], frames: Sequence[bytes]) -> None:
    site = run.group.sites[0].encode()
    taken: list[list[Input]] = []
    for records, values in ((run.orders, orders), (run.frames, frames)):
        taken.append([Input(len(records) + number, site, value) for number, value in enumerate(values)])
        records += [TopicRecord(0, record.offset, 0, site, record.value) for record in taken[-1]]
    for topic, number, key, value in partition.take(*taken).outputs:
        if topic == LEDGER_STATE:
            run.state.append(TopicRecord(number, len(run.state), 0, key, value))
        elif topic == LEDGER_POSTINGS:
            run.postings.append(Record(number, len(run.postings), value))


def _rounds(group: Property, at_ms: int) -> Iterator[bytes]:
    for gateway in group.gateways:
        for template in sorted({spec.template for spec in gateway.meters}):
            meters = [spec for spec in gateway.meters if spec.template == template]
            yield _round(gateway, template, meters, at_ms)


def _round(gateway: GatewayPlan, template: str, meters: Sequence[MeterSpec], at_ms: int) -> bytes:
    return energy_round(
        gateway.site,
        gateway.gateway,
        at=at_ms,
        addresses=[int(spec.address) for spec in meters],
        registers=[Meter(spec).shown_wh(at_ms) // 10 for spec in meters],
        template=template,
    )
