"""Accounts and meters reckoned from the core's outcomes in plain Python: what reports are held against.

Rows are taken in the order in which the ledger gave them out, one by one; no SQL, no arrays, no order by time.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from streams.core.localtime import DAY_MS, OFFSET_MS
from streams.core.outcome import NO_VERSION, Flag
from tests.ledger_history import History

NOT_ACCEPTED = Flag.DUPLICATE | Flag.CONFLICT | Flag.LATE | Flag.BACKWARDS | Flag.IMPLAUSIBLE | Flag.PRICED_LATE
SUM_OF = {
    "recharge": ("recharged", 1),
    "sale": ("recharged", 1),
    "refund": ("refunded", -1),
    "closing_refund": ("refunded", -1),
    "adjustment": ("adjusted", 1),
    "reversal": ("adjusted", 1),
    "opening": ("adjusted", 1),
    "service_fee": ("service_fees", -1),
    "fee": ("fees", -1),
    "share": ("shared", 1),
}


def local_day(at: int) -> int:
    """Days since 1970-01-01 in Asia/Shanghai."""
    return (at + OFFSET_MS) // DAY_MS


def nano(text: str) -> int:
    """A decimal in 10^-9."""
    whole, _, fraction = text.lstrip("-").partition(".")
    value = int(whole) * 10**9 + int(fraction.ljust(9, "0"))
    return -value if text.startswith("-") else value


@dataclass(slots=True)
class Account:
    """An account's money in a period, nano-yuan."""

    opening: int = 0
    recharged: int = 0
    refunded: int = 0
    adjusted: int = 0
    service_fees: int = 0
    fees: int = 0
    shared: int = 0
    deducted: int = 0

    @property
    def closing(self) -> int:
        came = self.recharged - self.refunded + self.adjusted + self.shared
        return self.opening + came - self.service_fees - self.fees - self.deducted


@dataclass(slots=True)
class Meter:
    """A meter in a period: Wh or litres, nano-yuan."""

    account: str
    kind: str
    ratio: int
    opening: int
    closing: int
    consumption: int = 0
    deducted: int = 0
    over_before: bool = False
    """Whether its final register came before the period."""


@dataclass(slots=True)
class Reckoned:
    """A site's accounts and meters over a period, by their names."""

    accounts: dict[str, Account] = field(default_factory=lambda: defaultdict(Account))
    meters: dict[str, Meter] = field(default_factory=dict)


def reckon(history: History, site: str, first: int, end: int) -> Reckoned:
    """The period from `first` up to `end`, ms, by the time of booking."""
    found, ledger = Reckoned(), history.site(site)
    for outcome in history.outcomes(site):
        for opened in outcome.accounts:
            if opened.at < end:
                found.accounts[opened.account] = Account()
        for meter in outcome.meters:
            if meter.at < end:
                account = ledger.account_id(meter.account)
                found.meters[meter.meter] = Meter(account, meter.kind, meter.ratio, meter.register, meter.register)
        for entry in outcome.entries:
            money = found.accounts[ledger.account_id(entry.account)] if entry.at < end else Account()
            name, sign = SUM_OF[entry.kind]
            if entry.at < first:
                money.opening += entry.amount
            else:
                setattr(money, name, getattr(money, name) + sign * entry.amount)
        for row in outcome.readings:
            if int(row["at"]) < end:
                _take_reading(found, ledger.meter_id(int(row["meter"])), row, first)
    return found


def _take_reading(found: Reckoned, name: str, row: Any, first: int) -> None:
    meter, at, amount, flags = found.meters[name], int(row["at"]), int(row["amount"]), int(row["flags"])
    money = found.accounts[meter.account]
    if at < first:
        money.opening -= amount
    else:
        money.deducted += amount
        meter.deducted += amount
        meter.consumption += int(row["consumption"])
    if not flags & NOT_ACCEPTED:
        meter.closing = int(row["register"])
        if at < first:
            meter.opening = meter.closing
            meter.over_before |= bool(flags & Flag.FINAL)


def meter_days(history: History, site: str) -> dict[tuple[str, int], list[int]]:
    """(meter, local day of reading) to [consumption, amount]."""
    days: dict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0])
    ledger = history.site(site)
    for outcome in history.outcomes(site):
        for row in outcome.readings:
            sums = days[ledger.meter_id(int(row["meter"])), local_day(int(row["read_at"]))]
            sums[0] += int(row["consumption"])
            sums[1] += int(row["amount"])
    return dict(days)


def meter_cells(history: History, site: str) -> dict[tuple[str, int, str, int], list[int]]:
    """(meter, local day of reading, band, tier) to [quantity, amount], of what was priced."""
    cells: dict[tuple[str, int, str, int], list[int]] = defaultdict(lambda: [0, 0])
    ledger = history.site(site)
    bands: dict[int, tuple[str, ...]] = {}
    for outcome in history.outcomes(site):
        bands |= {version.number: version.bands for version in outcome.versions}
        rows = outcome.readings
        parts = [(row, row, int(row["consumption"])) for row in rows if int(row["version"]) != NO_VERSION]
        parts += [(rows[int(piece["reading"])], piece, int(piece["quantity"])) for piece in outcome.pieces]
        for row, cell, quantity in parts:
            band = bands[int(cell["version"])][int(cell["band"])]
            key = (ledger.meter_id(int(row["meter"])), local_day(int(row["read_at"])), band, int(cell["tier"]))
            cells[key][0] += quantity
            cells[key][1] += int(cell["amount"])
    return dict(cells)


def late(history: History, site: str, first: int, end: int) -> dict[tuple[str, int, int], list[int]]:
    """(meter, local day of reading, local day of booking) to [consumption, amount], of what was read from `first` up to
    `end` and booked after it."""
    days: dict[tuple[str, int, int], list[int]] = defaultdict(lambda: [0, 0])
    ledger = history.site(site)
    for outcome in history.outcomes(site):
        for row in outcome.readings:
            read_at, at = int(row["read_at"]), int(row["at"])
            if first <= read_at < end <= at:
                sums = days[ledger.meter_id(int(row["meter"])), local_day(read_at), local_day(at)]
                sums[0] += int(row["consumption"])
                sums[1] += int(row["amount"])
    return {key: sums for key, sums in days.items() if any(sums)}
