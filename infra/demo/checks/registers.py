"""Checks: what ClickHouse says of the meters, against what is true of them."""

from collections.abc import Mapping
from dataclasses import dataclass

from infra.demo.checks.check import Check, examples


@dataclass(frozen=True, slots=True)
class MeterShown:
    """A meter's registers in Wh.

    Attributes:
        last: ClickHouse's reading with the latest `read_at`.
        highest: Of all ClickHouse's readings.
        true_then: What the meter showed at that `read_at`, by the fleet.
        true_before: What it showed as long before as an answer may have been on its way: the collector stamps
            `read_at` when it has the answer.
    """

    last: int
    highest: int
    true_then: int
    true_before: int


def check_registers(meters: Mapping[str, MeterShown | None]) -> list[Check]:
    """Every meter was read, its register in ClickHouse is never above the true one, and the last is the true one.

    Args:
        meters: All meters of the fleet; None where ClickHouse has no reading.
    """
    read = {meter: shown for meter, shown in meters.items() if shown is not None}
    unread = sorted(meters.keys() - read.keys())
    above = [
        f"{meter} {shown.highest:,} > {shown.true_then:,}"
        for meter, shown in read.items()
        if max(shown.highest, shown.last) > shown.true_then
    ]
    off = [
        f"{meter} {shown.last:,}, true {shown.true_before:,} to {shown.true_then:,}"
        for meter, shown in read.items()
        if not shown.true_before <= shown.last <= shown.true_then
    ]
    same = sum(shown.last == shown.true_then for shown in read.values())
    stepped = f"{same:,} the same to the Wh, {len(read) - same:,} stepped on while the answer was on its way"
    return [
        Check(
            "every meter is read",
            bool(read) and not unread,
            f"{len(read):,} of {len(meters):,} meters" + (f", not {examples(unread)}" if unread else ""),
        ),
        Check(
            "no register in ClickHouse is above the meter's own",
            bool(read) and not above,
            f"{len(above):,} are: {examples(above)}" if above else f"{len(read):,} meters",
        ),
        Check(
            "the last reading is what the meter showed",
            bool(read) and not off,
            f"{len(off):,} are not: {examples(off)}" if off else stepped,
        ),
    ]
