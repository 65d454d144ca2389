"""All who keep an account's money say the same."""

from dataclasses import replace

import pytest

from infra.demo.checks.money import (
    AccountMoney,
    check_balances,
    check_last_balances,
    check_price,
    check_recharges,
)


def account(*, ordered: int = 20, deducted: int = 5, ledger: int | None = 15, last: int | None = 15) -> AccountMoney:
    """20 in, 5 deducted, 15 left, by all accounts; but for what is given."""
    return AccountMoney(ordered=ordered, entries={"recharge": 20}, deducted=deducted, ledger=ledger, last=last)


@pytest.mark.parametrize(
    ("money", "holds"),
    [
        pytest.param(account(), [True, True, True], id="equal"),
        pytest.param(account(ordered=21), [False, True, True], id="ordered and not booked"),
        pytest.param(account(deducted=6), [True, False, True], id="deducted twice"),
        pytest.param(account(ledger=16), [True, False, False], id="another balance in the ledger"),
        pytest.param(account(last=14), [True, True, False], id="another last balance"),
        pytest.param(account(ledger=None), [True, False, False], id="not in the ledger"),
        pytest.param(account(last=None), [True, True, False], id="without a row"),
        pytest.param(account(ledger=None, last=None), [True, False, False], id="nowhere"),
        pytest.param(replace(account(), entries={"recharge": 40}), [False, False, True], id="booked twice"),
        pytest.param(
            replace(account(ledger=11, last=11), entries={"recharge": 20, "refund": -7, "adjustment": 3}),
            [True, True, True],
            id="refund and adjustment",
        ),
    ],
)
def test_accounts_are_held_against_each_other(money: AccountMoney, holds: list[bool]) -> None:
    accounts = {"S1/A1": account(), "S1/A2": money}
    checks = [check_recharges(accounts), check_balances(accounts), check_last_balances(accounts)]
    assert [check.held for check in checks] == holds


def test_no_account_at_all_fails() -> None:
    assert not any(check({}).held for check in (check_recharges, check_balances, check_last_balances))


def test_a_difference_is_named() -> None:
    check = check_balances({"S1/A1": account(ledger=16)})
    assert "1 of 1 accounts differ: S1/A1 0.000000015 ≠ 0.000000016" in check.found


@pytest.mark.parametrize(("energy_wh", "holds"), [(1000, True), (1001, False), (None, False)])
def test_the_price_is_to_the_watt_hour(energy_wh: int | None, holds: bool) -> None:
    assert check_price(energy_wh=energy_wh, price_nano=800_000, deducted=800_000_000).held is holds
