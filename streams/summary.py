"""Sums over outcomes in the form of the specification's output."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.core.localtime import format_time
from streams.core.outcome import NO_CELL, Figures, Flag, Outcome, VersionTaken
from streams.core.site import SiteLedger
from streams.core.units import format_money, format_quantity

_SHOWN = {
    Flag.DUPLICATE: "duplicate",
    Flag.CONFLICT: "conflict",
    Flag.LATE: "late",
    Flag.ROLLOVER: "rollover",
    Flag.BACKWARDS: "backwards",
    Flag.IMPLAUSIBLE: "implausible",
}
_MOVED = {
    "recharge": ("recharged", 1),
    "refund": ("refunded", -1),
    "closing_refund": ("refunded", -1),
    "reversal": ("adjusted", 1),
    "adjustment": ("adjusted", 1),
    "fee": ("fees", -1),
    "service_fee": ("service_fees", -1),
    "share": ("shared", 1),
    "sale": ("recharged", 1),
    "opening": ("adjusted", 1),
}
"""Under which sum an entry counts, and its sign there."""
_ALWAYS = ("recharged", "refunded", "adjusted")
_WHERE_USED = ("fees", "service_fees", "shared")
"""Sums that are shown only where they are not 0."""


@dataclass(slots=True)
class SiteSummary:
    """The sums of one site, as whole numbers."""

    consumption: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    amount: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    deducted: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    moved: dict[tuple[int, str], int] = field(default_factory=lambda: defaultdict(int))
    cells: dict[tuple[int, int, int, int], int] = field(default_factory=lambda: defaultdict(int))
    """(meter, version, band, tier) to quantity."""
    flags: dict[tuple[int, str], int] = field(default_factory=lambda: defaultdict(int))
    versions: list[VersionTaken] = field(default_factory=list)
    events: list[Outcome] = field(default_factory=list)
    """What is listed rather than summed."""

    def add(self, outcome: Outcome) -> None:
        """Count an outcome in."""
        rows, pieces = outcome.readings, outcome.pieces
        meter = rows["meter"].astype(np.int64)
        _count(self.consumption, meter, rows["consumption"])
        _count(self.amount, meter, rows["amount"])
        _count(self.deducted, rows["account"].astype(np.int64), rows["amount"])
        whole = rows["band"] != NO_CELL
        self._count_cells(meter[whole], rows[whole], rows["consumption"][whole])
        self._count_cells(meter[pieces["reading"]], pieces, pieces["quantity"])
        for flag, name in _SHOWN.items():
            numbers, counts = np.unique(meter[rows["flags"] & flag != 0], return_counts=True)
            for number, count in zip(numbers.tolist(), counts.tolist(), strict=True):
                self.flags[number, name] += count
        for entry in outcome.entries:
            name, sign = _MOVED[entry.kind]
            self.moved[entry.account, name] += sign * entry.amount
        self.versions += outcome.versions
        self.events.append(
            Outcome(
                commands=outcome.commands,
                notices=outcome.notices,
                alarms=outcome.alarms,
                refusals=outcome.refusals,
            )
        )

    def _count_cells(self, meter: NDArray[np.int64], rows: NDArray[np.void], quantity: NDArray[np.int64]) -> None:
        if not len(rows):
            return
        key = np.stack([meter, *(rows[name].astype(np.int64) for name in ("version", "band", "tier"))])
        cells, place = np.unique(key, axis=1, return_inverse=True)
        sums = np.zeros(cells.shape[1], object)
        np.add.at(sums, place.ravel(), quantity.astype(object))
        for cell, total in zip(cells.T.tolist(), sums.tolist(), strict=True):
            self.cells[tuple(cell)] += total

    @staticmethod
    def joined(sites: Sequence[tuple[SiteLedger, "SiteSummary"]]) -> dict[str, Any]:
        """The output object over all sites of a file."""
        output: dict[str, Any] = {"accounts": {}, "meters": {}}
        listed: dict[str, list[tuple[int, dict[str, Any]]]] = {
            "commands": [],
            "notices": [],
            "alarms": [],
            "refusals": [],
        }
        for ledger, summary in sites:
            summary._add_events(ledger, listed)
            output["accounts"].update(summary._accounts(ledger))
            output["meters"].update(summary._meters(ledger))
        for name, events in listed.items():
            output[name] = [event for _, event in sorted(events, key=lambda event: event[0])]
        return output

    def _accounts(self, ledger: SiteLedger) -> dict[str, Any]:
        accounts = ledger.books.accounts
        return {
            info.account: {
                "balance": format_money(accounts.balance(number)),
                "arrears": format_money(max(0, -accounts.balance(number))),
                **{name: format_money(self.moved[number, name]) for name in _ALWAYS},
                "deducted": format_money(self.deducted[number]),
                **{name: format_money(amount) for name in _WHERE_USED if (amount := self.moved.get((number, name), 0))},
                **_pending(ledger, number),
                "closed": info.closed,
            }
            for number, info in enumerate(accounts.infos)
        }

    def _meters(self, ledger: SiteLedger) -> dict[str, Any]:
        meters, accounts = ledger.books.meters, ledger.books.accounts
        cells: dict[int, list[tuple[VersionTaken, int, int, int]]] = defaultdict(list)
        versions = {version.number: version for version in self.versions}
        for (meter, version, band, tier), quantity in self.cells.items():
            cells[meter].append((versions[version], band, tier, quantity))
        flags: dict[int, dict[str, int]] = defaultdict(dict)
        for (meter, name), count in self.flags.items():
            flags[meter][name] = count
        output = {}
        for number, info in enumerate(meters.infos):
            priced = sum(quantity for *_, quantity in cells[number])
            output[info.meter] = {
                "account": accounts.infos[int(meters.setup.rows[number]["account"])].account,
                "consumption": format_quantity(self.consumption[number]),
                "amount": format_money(self.amount[number]),
                "unpriced": format_quantity(self.consumption[number] - priced),
                **_by_cell(cells[number]),
                "register": format_quantity(int(meters.hot.rows[number]["register"])),
                "desired": "off" if meters.setup.rows[number]["off"] else "on",
                "flags": flags[number],
                **_own_credit(ledger, number),
            }
        return output

    def _add_events(self, ledger: SiteLedger, listed: dict[str, list[tuple[int, dict[str, Any]]]]) -> None:
        for outcome in self.events:
            for command in outcome.commands:
                shown: dict[str, Any] = {
                    "at": format_time(command.at),
                    "meter": ledger.meter_id(command.meter),
                    "action": command.action,
                    "reason": command.reason,
                    "repeat": command.repeat,
                }
                if command.action == "recharge":
                    shown |= {"amount": format_money(command.amount), "count": command.count}
                listed["commands"].append((command.position.offset, shown))
            for notice in outcome.notices:
                account = ledger.account_id(notice.account)
                shown = {"at": format_time(notice.at), "account": account, "kind": notice.kind}
                listed["notices"].append((notice.position.offset, shown))
            for alarm in outcome.alarms:
                shown = {"at": format_time(alarm.at), "meter": ledger.meter_id(alarm.meter), "kind": alarm.kind}
                if alarm.figures is not None:
                    shown |= _shown_figures(alarm.figures)
                listed["alarms"].append((alarm.position.offset, shown))
            for refusal in outcome.refusals:
                if refusal.reason == "future":
                    self.flags[ledger.meter_number(refusal.subject), "future"] += 1
                line = refusal.position.offset
                listed["refusals"].append((line, {"line": line, "reason": refusal.reason}))


def _pending(ledger: SiteLedger, account: int) -> dict[str, Any]:
    """What is sold into an account's meter and not settled, if anything is."""
    books = ledger.books
    pending = sum(books.credits.pending(meter) for meter in books.meters.seated(account))
    return {"pending": format_money(pending)} if pending else {}


def _own_credit(ledger: SiteLedger, meter: int) -> dict[str, Any]:
    """What a meter that holds its credit itself told last."""
    credit = ledger.books.credits.get(meter)
    return {} if credit is None else {"remaining": format_money(credit.remaining), "count": credit.count}


def _shown_figures(figures: Figures) -> dict[str, Any]:
    return {
        "ledger": format_money(figures.ledger),
        "remaining": format_money(figures.remaining),
        "count": figures.count,
    }


def _by_cell(cells: list[tuple[VersionTaken, int, int, int]]) -> dict[str, Any]:
    bands: dict[str, int] = defaultdict(int)
    components: dict[str, int] = defaultdict(int)
    tiers: dict[int, int] = defaultdict(int)
    for version, band, tier, quantity in cells:
        bands[version.bands[band]] += quantity
        tiers[tier] += quantity
        for name, prices in zip(version.components, version.prices, strict=True):
            components[name] += quantity * prices[band][tier]
    used = max((tier for tier, quantity in tiers.items() if quantity), default=-1)
    return {
        "by_band": {name: format_quantity(quantity) for name, quantity in bands.items() if quantity},
        "by_tier": [format_quantity(tiers[tier]) for tier in range(used + 1)],
        "by_component": {name: format_money(amount) for name, amount in components.items() if amount},
    }


def _count(sums: dict[int, int], keys: NDArray[np.int64], values: NDArray[np.int64]) -> None:
    """Add values to the sums of their keys, exactly."""
    if not len(keys):
        return
    numbers, place = np.unique(keys, return_inverse=True)
    if int(np.abs(values).max()) < (1 << 62) // len(values):
        totals = np.zeros(len(numbers), np.int64)
        np.add.at(totals, place, values)
        exact = totals.tolist()
    else:
        wide = np.zeros(len(numbers), object)
        np.add.at(wide, place, values.astype(object))
        exact = wide.tolist()
    for number, total in zip(numbers.tolist(), exact, strict=True):
        sums[number] += total
