"""Accounts of a site: balances in pages, policies, and the identities of the money orders that were taken."""

from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.core.growing import GrowingRows
from streams.core.localtime import MinuteRange
from streams.core.orders import Order, SetPolicy
from streams.core.units import MONEY_MAX, NANO_PER_CENT, NANO_PER_YUAN, money_nano

SERVICE_FEE_PLACES = 4
SERVICE_FEE_WHOLE = 1_000_000
"""100 percent."""

ACCOUNT = np.dtype([("balance", "<i8"), ("spent", "u1"), ("reserved", "u1", (7,))])
"""What every deduction changes: the balance in nano-yuan, and whether there was ever a recharge or a deduction."""

LIMITS = np.dtype([("alert", "<i8"), ("calm", "u1")])
"""Derived, never stored: no notice and no command can come of a deduction that leaves the balance above `alert`; and
whether the account's supply was settled while its balance wants it off."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Levels and supply rules in force: money in nano-yuan."""

    low: tuple[int, int] = (20 * NANO_PER_YUAN, 5 * NANO_PER_YUAN)
    overdraft: int = 0
    protected: tuple[MinuteRange, ...] = ()
    auto_restore: bool = True
    service_fee: int = 0
    """Of what is sold, ten-thousandths of a percent."""
    credit_tolerance: int = NANO_PER_YUAN

    def protects(self, minute: int) -> bool:
        """Whether nothing is cut for arrears in this local minute of the day."""
        return any(span.covers(minute) for span in self.protected)

    def service_fee_on(self, amount: int) -> int:
        """What is taken of a sale of whole cents, nano-yuan: to the cent, halves up, so that a receipt is exact."""
        cents = amount // NANO_PER_CENT
        return (cents * self.service_fee + SERVICE_FEE_WHOLE // 2) // SERVICE_FEE_WHOLE * NANO_PER_CENT


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """The fields of a policy that somebody set; None leaves what is beneath."""

    low: tuple[int, int] | None = None
    overdraft: int | None = None
    protected: tuple[MinuteRange, ...] | None = None
    auto_restore: bool | None = None
    service_fee: int | None = None
    credit_tolerance: int | None = None

    def over(self, policy: Policy) -> Policy:
        """The policy with these fields in place of its own."""
        return replace(policy, **self._named())

    def then(self, later: "PolicyChange") -> "PolicyChange":
        """This change with a later one's fields over it."""
        return replace(self, **later._named())

    def _named(self) -> dict[str, Any]:
        every = {
            "low": self.low,
            "overdraft": self.overdraft,
            "protected": self.protected,
            "auto_restore": self.auto_restore,
            "service_fee": self.service_fee,
            "credit_tolerance": self.credit_tolerance,
        }
        return {name: value for name, value in every.items() if value is not None}


def check_policy(order: SetPolicy) -> PolicyChange | None:
    """The change that an order asks for; None where a rule of P32 is broken."""
    low = None
    if order.low is not None:
        values = [value.scaled(2) for value in order.low]
        if len(values) != 2:
            return None
        first, second = values
        if first is None or second is None or not first >= second >= 0:
            return None
        low = (first * NANO_PER_CENT, second * NANO_PER_CENT)
    overdraft = None
    if order.overdraft is not None:
        cents = order.overdraft.scaled(2)
        if cents is None or cents < 0:
            return None
        overdraft = cents * NANO_PER_CENT
    if any(start == end for start, end in order.protected or ()):
        return None
    service_fee = None
    if order.service_fee_percent is not None:
        service_fee = order.service_fee_percent.scaled(SERVICE_FEE_PLACES)
        if service_fee is None or not 0 <= service_fee <= SERVICE_FEE_WHOLE:
            return None
    tolerance = None
    if order.credit_tolerance is not None:
        tolerance = money_nano(order.credit_tolerance)
        if tolerance is None or tolerance < 0:
            return None
    return PolicyChange(low, overdraft, order.protected, order.auto_restore, service_fee, tolerance)


def policy_record(change: PolicyChange) -> dict[str, Any]:
    """A policy change as JSON-like values."""
    return {
        "low": change.low and list(change.low),
        "overdraft": change.overdraft,
        "protected": change.protected and [list(span) for span in change.protected],
        "auto_restore": change.auto_restore,
        "service_fee": change.service_fee,
        **({} if change.credit_tolerance is None else {"credit_tolerance": change.credit_tolerance}),
    }


def policy_of(record: dict[str, Any]) -> PolicyChange:
    """The change that `policy_record` wrote."""
    low, protected = record["low"], record["protected"]
    return PolicyChange(
        low=(low[0], low[1]) if low else None,
        overdraft=record["overdraft"],
        protected=None if protected is None else tuple(MinuteRange(span) for span in protected),
        auto_restore=record["auto_restore"],
        service_fee=record.get("service_fee"),
        credit_tolerance=record.get("credit_tolerance"),
    )


@dataclass(slots=True)
class AccountInfo:
    """What has no fixed width or changes rarely."""

    account: str
    closed: bool = False
    own: PolicyChange = field(default_factory=PolicyChange)


class Accounts:
    """The accounts of one site, by running number in the order of opening."""

    def __init__(self) -> None:
        self.hot = GrowingRows(ACCOUNT)
        self.limits = GrowingRows(LIMITS)
        self.infos: list[AccountInfo] = []
        self.by_id: dict[str, int] = {}
        self.policies: list[Policy] = []
        self.site_policy = PolicyChange()
        self.dirty_infos: set[int] = set()
        self.own_credit: set[int] = set()
        """Those whose meter holds the credit itself, and cuts itself. Derived, never stored."""

    def add(self, info: AccountInfo) -> int:
        """A further account with a balance of 0."""
        number = self.hot.append()
        self.limits.append()
        self.infos.append(info)
        self.by_id[info.account] = number
        self.policies.append(Policy())
        self.apply_policy(number)
        self.dirty_infos.add(number)
        return number

    def apply_policy(self, number: int) -> None:
        """Bring an account's policy in force up to date; its supply is to be judged again."""
        policy = self.policy_in_force(number)
        self.policies[number] = policy
        self.limits.rows[number]["calm"] = 0
        self.watch(number)

    def watch(self, number: int) -> None:
        """Bring an account's alert up to date, after its balance rose, or its policy or its supply changed."""
        balance, policy = self.balance(number), self.policies[number]
        levels = [level for level in policy.low if level < balance]
        if balance >= 0:
            levels.append(-1)
        if not self.limits.rows[number]["calm"]:
            levels.append(min(-policy.overdraft, balance - 1))
        self.limits.rows[number]["alert"] = max(levels, default=-MONEY_MAX)

    def policy_in_force(self, number: int) -> Policy:
        """The account's own fields over its site's over the policy of a new site."""
        return self.infos[number].own.over(self.site_policy.over(Policy()))

    def distinct(self, accounts: NDArray[np.int64]) -> bool:
        """Whether no account occurs twice."""
        place, order = np.empty(len(self.infos), np.int64), np.arange(len(accounts))
        place[accounts] = order
        return bool((place[accounts] == order).all())

    def balance(self, number: int) -> int:
        """Nano-yuan."""
        return int(self.hot.rows[number]["balance"])

    def level_passed(self, number: int, before: int, balance: int) -> str:
        """The gravest level that a balance passed on its way down from `before`; empty if none."""
        policy = self.policies[number]
        if before >= 0 > balance:
            return "arrears"
        for name, level in (("low2", policy.low[1]), ("low1", policy.low[0])):
            if before > level >= balance:
                return name
        return ""

    def wants_off(self, number: int) -> bool:
        """Whether the balance rule wants supply off; never for an account that has neither paid nor used.

        Nor for one whose meter holds the credit itself, and so cuts itself.
        """
        if number in self.own_credit:
            return False
        row, policy = self.hot.rows[number], self.policies[number]
        return bool(row["spent"]) and int(row["balance"]) <= -policy.overdraft

    def post(self, number: int, amount: int, *, spent: bool) -> int:
        """Add an amount (negative for a deduction) to a balance that will hold it; the new balance."""
        row = self.hot.rows[number]
        balance = int(row["balance"]) + amount
        row["balance"] = balance
        if spent:
            row["spent"] = 1
        self.hot.touch(number)
        return balance


@dataclass(frozen=True, slots=True)
class TakenOrder:
    """A money order that was taken: enough to tell a repeat, and to reverse a recharge."""

    digest: str
    kind: str
    account: int
    amount: int
    reversed: bool = False
    service_fee: int = 0
    """What was taken of a recharge."""


def order_digest(kind: str, order: Order) -> str:
    """A fingerprint of an order's content by value: everything but `at` and `site` (P9)."""
    return blake2b(f"{kind} {order!r}".encode(), digest_size=16).hexdigest()
