"""The output of a scenario (Output, P3, P30, P31): decimals exact, lists in the order of the input."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.model.account import Account
from tests.model.credit import MeterCredit, Sale
from tests.model.meter import Command, Meter
from tests.model.texts import write_decimal, write_time


def write_money(nano: int) -> str:
    """Yuan of nano-yuan."""
    return write_decimal(nano, 9)


def write_quantity(thousandths: int) -> str:
    """KWh of Wh, m³ of litres."""
    return write_decimal(thousandths, 3)


@dataclass
class Events:
    """What went out over all sites, as it went out."""

    commands: list[dict[str, Any]] = field(default_factory=list)
    notices: list[dict[str, Any]] = field(default_factory=list)
    alarms: list[dict[str, Any]] = field(default_factory=list)
    refusals: list[dict[str, Any]] = field(default_factory=list)

    def add_command(self, meter: str, command: Command, *, is_repeat: bool) -> None:
        """Note a command that goes out."""
        self.commands.append(
            {
                "at": write_time(command.at),
                "meter": meter,
                "action": command.action,
                "reason": command.reason,
                "repeat": is_repeat,
            }
        )

    def add_recharge(self, at: int, meter: str, sale: Sale, *, is_repeat: bool) -> None:
        """Note a sale that is sent to its meter."""
        self.commands.append(
            {
                "at": write_time(at),
                "meter": meter,
                "action": "recharge",
                "reason": "sale",
                "repeat": is_repeat,
                "amount": write_money(sale.credit),
                "count": sale.sent_count,
            }
        )

    def add_credit_alarm(self, at: int, meter: str, balance: int, credit: MeterCredit) -> None:
        """Note that ledger and meter have come to differ."""
        self.add_alarm(at, meter, "credit")
        self.alarms[-1] |= {
            "ledger": write_money(balance),
            "remaining": write_money(credit.remaining),
            "count": credit.count,
        }

    def add_notice(self, at: int, account: str, kind: str) -> None:
        """Note something that the account's holder is told."""
        self.notices.append({"at": write_time(at), "account": account, "kind": kind})

    def add_alarm(self, at: int, meter: str, kind: str) -> None:
        """Note something that the operators are told."""
        self.alarms.append({"at": write_time(at), "meter": meter, "kind": kind})

    def add_refusal(self, line: int, reason: str) -> None:
        """Note a line that was refused."""
        self.refusals.append({"line": line, "reason": reason})


def describe_account(account: Account) -> dict[str, Any]:
    """One account of the output."""
    return {
        "balance": write_money(account.balance),
        "arrears": write_money(account.arrears),
        "recharged": write_money(account.recharged),
        "refunded": write_money(account.refunded),
        "adjusted": write_money(account.adjusted),
        "deducted": write_money(account.deducted),
        **({"fees": write_money(account.fees)} if account.fees else {}),
        **({"service_fees": write_money(account.service_fees)} if account.service_fees else {}),
        **({"shared": write_money(account.shared)} if account.shared else {}),
        "closed": account.is_closed,
        **({"pending": write_money(account.pending)} if account.pending else {}),
    }


def describe_meter(meter: Meter) -> dict[str, Any]:
    """One meter of the output."""
    tiers_used = max((tier for tier, priced in meter.by_tier.items() if priced), default=-1) + 1
    return {
        "account": meter.account_id,
        "consumption": write_quantity(meter.consumption),
        "amount": write_money(meter.amount),
        "unpriced": write_quantity(meter.unpriced()),
        "by_band": {band: write_quantity(priced) for band, priced in _without_zeros(meter.by_band)},
        "by_tier": [write_quantity(meter.by_tier[tier]) for tier in range(tiers_used)],
        "by_component": {name: write_money(nano) for name, nano in _without_zeros(meter.by_component)},
        "register": write_quantity(meter.register),
        "desired": meter.desired,
        "flags": dict(_without_zeros(meter.flags)),
        **describe_credit(meter.credit),
    }


def describe_credit(credit: MeterCredit | None) -> dict[str, Any]:
    """What a meter of the output told of its own credit, if it holds it."""
    return {} if credit is None else {"remaining": write_money(credit.remaining), "count": credit.count}


def _without_zeros(counts: Counter[str]) -> Iterable[tuple[str, int]]:
    return ((name, count) for name, count in counts.items() if count)


def describe(accounts: Iterable[Account], meters: Iterable[Meter], events: Events) -> dict[str, Any]:
    """The whole output object."""
    return {
        "accounts": {account.account_id: describe_account(account) for account in accounts},
        "meters": {meter.meter_id: describe_meter(meter) for meter in meters},
        "commands": events.commands,
        "notices": events.notices,
        "alarms": events.alarms,
        "refusals": events.refusals,
    }
