"""The rounding of printed money keeps columns that add up."""

from hypothesis import given
from hypothesis import strategies as st

from analytics.money import NANO_PER_CENT, cents, share_cents, yuan

NANO = st.integers(-(10**24), 10**24)
SPENT = st.lists(st.integers(0, 10**18), max_size=6)


@given(NANO, st.integers(-(10**15), 10**15))
def test_whole_cents_move_a_rounded_balance_by_themselves(balance: int, moved: int) -> None:
    assert cents(balance + moved * NANO_PER_CENT) == cents(balance) + moved


@given(NANO)
def test_an_amount_is_half_a_cent_off_at_most(nano: int) -> None:
    assert abs(2 * (cents(nano) * NANO_PER_CENT - nano)) <= NANO_PER_CENT


@given(NANO, SPENT)
def test_what_ties_two_rounded_balances_can_be_shared_by_the_meters(opening: int, deducted: list[int]) -> None:
    """The difference of the balances before and after is always the deductions, each rounded down or up."""
    total = cents(opening) - cents(opening - sum(deducted))
    shares = share_cents(total, deducted)
    assert sum(shares) == total
    for share, exact in zip(shares, deducted, strict=True):
        assert exact // NANO_PER_CENT <= share <= -(-exact // NANO_PER_CENT)


@given(SPENT.filter(bool), st.integers(0, 5))
def test_any_total_is_shared(deducted: list[int], rounded: int) -> None:
    """Also one that was rounded in several pieces; nobody gets less than nothing."""
    for total in (sum(deducted) // NANO_PER_CENT - rounded, sum(deducted) // NANO_PER_CENT + rounded):
        if total >= 0:
            shares = share_cents(total, deducted)
            assert sum(shares) == total
            assert min(shares) >= 0


@given(NANO)
def test_yuan_keeps_every_digit(nano: int) -> None:
    whole, _, fraction = yuan(nano).lstrip("-").partition(".")
    assert len(fraction) >= 2
    assert int(whole + fraction.ljust(9, "0")) == abs(nano)
    assert yuan(nano).startswith("-") == (nano < 0)
