"""Checks: every account's money, by all who keep it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from infra.demo.checks.check import Check, examples, yuan

RECHARGE = "recharge"


@dataclass(slots=True)
class AccountMoney:
    """One account's money in nano-yuan.

    Attributes:
        ordered: Recharges as they were ordered, from `office.orders`.
        entries: ClickHouse's entries by kind, as they change the balance.
        deducted: The sum of ClickHouse's deductions.
        ledger: The balance in `ledger.state`; None if it has no such account.
        last: The balance after ClickHouse's last row of the account; None if it has no row.
    """

    ordered: int = 0
    entries: dict[str, int] = field(default_factory=dict)
    deducted: int = 0
    ledger: int | None = None
    last: int | None = None

    @property
    def summed(self) -> int:
        """The balance that ClickHouse's rows add up to."""
        return sum(self.entries.values()) - self.deducted


def check_recharges(accounts: Mapping[str, AccountMoney]) -> Check:
    """What was paid in is booked, once."""
    return _equal(
        "recharges ordered = recharges in ClickHouse",
        accounts,
        lambda account: (account.ordered, account.entries.get(RECHARGE, 0)),
    )


def check_balances(accounts: Mapping[str, AccountMoney]) -> Check:
    """Recharges - refunds +/- adjustments - deductions, summed in ClickHouse, are the ledger's balance."""
    check = _equal(
        "recharges - refunds ± adjustments - deductions = the ledger's balance",
        accounts,
        lambda account: (account.summed, account.ledger),
    )
    kinds: dict[str, int] = {}
    for account in accounts.values():
        for kind, amount in account.entries.items():
            kinds[kind] = kinds.get(kind, 0) + amount
    moved = " + ".join(f"{kind} {yuan(amount)}" for kind, amount in sorted(kinds.items()))
    deducted = sum(account.deducted for account in accounts.values())
    return Check(check.name, check.held, f"{check.found}; {moved} - deductions {yuan(deducted)}")


def check_last_balances(accounts: Mapping[str, AccountMoney]) -> Check:
    """The balance after each account's last row in ClickHouse is the ledger's."""
    return _equal(
        "last balance in ClickHouse = the ledger's balance",
        accounts,
        lambda account: (account.last, account.ledger),
    )


def check_price(*, energy_wh: int | None, price_nano: int, deducted: int) -> Check:
    """The demo account, at one price, paid exactly for what its meter shows.

    Args:
        energy_wh: From the register at installation to the last one in ClickHouse; None without any reading.
        price_nano: For a Wh.
    """
    name = "the demo account paid for what its meter shows"
    if energy_wh is None:
        return Check(name, False, "its meter has no reading")
    due = energy_wh * price_nano
    relation = "=" if due == deducted else "≠"
    found = f"{energy_wh:,} Wh at {price_nano:,} nano-yuan: {yuan(due)} {relation} {yuan(deducted)} deducted"
    return Check(name, due == deducted, found)


def _equal(
    name: str, accounts: Mapping[str, AccountMoney], sides: Callable[[AccountMoney], tuple[int | None, int | None]]
) -> Check:
    """Whether both sides are equal, and there at all, for every account."""
    wrong = []
    total = 0
    for account, money in accounts.items():
        left, right = sides(money)
        if left is None or left != right:
            wrong.append(f"{account} {_side(left)} ≠ {_side(right)}")
        total += right or 0
    if wrong:
        return Check(name, False, f"{len(wrong):,} of {len(accounts):,} accounts differ: {examples(wrong)}")
    return Check(name, bool(accounts), f"{len(accounts):,} accounts, each to the nano-yuan; together {yuan(total)}")


def _side(nano: int | None) -> str:
    return "nothing" if nano is None else yuan(nano)
