"""Evidence from the inputs: the readings that the meters gave, and the recharges that were ordered."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from collectors.wire.round import Round, decode_round
from infra.demo.checks.money import RECHARGE
from infra.demo.checks.readings import Shown, Source
from infra.demo.evidence.topics import TopicRecord
from streams.core.orderform import parse_order
from streams.core.orders import Recharge
from streams.core.site import SiteLedger
from streams.core.units import NANO_PER_YUAN
from streams.decode import read_rounds

_UNKNOWN = "unknown"
"""Why `read_rounds` sets a frame aside that it could decode."""


@dataclass(slots=True)
class Sent:
    """What rounds hold, decoded anew.

    Attributes:
        damaged: Frames that cannot be decoded.
    """

    readings: dict[Source, Shown] = field(default_factory=dict)
    damaged: list[Source] = field(default_factory=list)


def decode_frames(frames: Iterable[TopicRecord], sites: Mapping[str, SiteLedger]) -> Sent:
    """Decode all rounds of `meter.frames`; meters are those that the sites have in the end."""
    rounds: dict[tuple[int, str], list[tuple[int, Round]]] = {}
    for record in frames:
        taken = decode_round(record.value or b"")
        rounds.setdefault((record.partition, taken.site), []).append((record.offset, taken))
    sent = Sent()
    for (partition, name), of_site in rounds.items():
        site = sites.get(name) or SiteLedger(name)
        found = read_rounds(site, of_site)
        batch = found.batch
        for meter, register, read_at, offset, line in zip(
            *(column.tolist() for column in (batch.meter, batch.register, batch.read_at, batch.offset, batch.line)),
            strict=True,
        ):
            place = Source(partition, offset, line)
            sent.readings[place] = Shown(site.meter_id(meter) if meter >= 0 else "", register, read_at)
        sent.damaged += [
            Source(partition, frame.offset, frame.line) for frame in found.rejected if frame.reason != _UNKNOWN
        ]
    return sent


def ordered_recharges(orders: Iterable[TopicRecord]) -> dict[str, int]:
    """What the recharges of `office.orders` come to, in nano-yuan by site and account; a repeat counts once."""
    ordered: dict[str, dict[str, int]] = {}
    for record in orders:
        line = json.loads(record.value or b"{}")
        if line.get("order") != RECHARGE:
            continue
        order = parse_order(line)
        assert isinstance(order, Recharge)
        account = f"{record.key.decode()}/{order.account}"
        amount = order.amount.mantissa * NANO_PER_YUAN // 10**order.amount.places
        ordered.setdefault(account, {}).setdefault(order.order_id, amount)
    return {account: sum(recharges.values()) for account, recharges in ordered.items()}
