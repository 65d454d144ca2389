"""Whether the ledger charged what the meters counted: the fleet's truth against ClickHouse's rows."""

from collections.abc import Mapping
from dataclasses import dataclass

from infra.fleet.fleet import MeterTruth
from infra.fleet.meter import Kind
from infra.fleet.property import Property


@dataclass(frozen=True, slots=True)
class Difference:
    """A meter of which the two do not say the same; Wh, or litres of a water meter."""

    meter: str
    counted: int
    charged: int


@dataclass(frozen=True, slots=True)
class Tie:
    """What a comparison found.

    Attributes:
        counted: By kind of meter, what went through all of them, Wh or litres.
        replaced: Meters that were taken off.
        differing: In the order of the group.
    """

    meters: int
    replaced: int
    counted: dict[Kind, int]
    differing: tuple[Difference, ...]


def tie(group: Property, truth: Mapping[str, MeterTruth], charged: Mapping[str, int]) -> Tie:
    """Compare.

    Args:
        truth: Of all meters at one time.
        charged: What the ledger charged by meter, Wh or litres; a meter that it never read may be missing.
    """
    counted = dict.fromkeys(Kind, 0)
    differing = []
    for spec in group.meters:
        true = truth[spec.meter].counted_wh
        counted[spec.kind] += true
        if charged.get(spec.meter, 0) != true:
            differing.append(Difference(spec.meter, true, charged.get(spec.meter, 0)))
    # Of a swap one of the two is away: the successor as long as the old one hangs there.
    replaced = sum(truth[swap.meter].is_away for swap in group.swaps)
    return Tie(len(group.meters) - len(group.swaps) + replaced, replaced, counted, tuple(differing))
