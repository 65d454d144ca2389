"""Money orders of a site: taken once by their id (Accounts, P7, P9, P11), and the sharing of a public meter."""

from fractions import Fraction
from math import floor

from tests.model import refusal
from tests.model.account import Account, Policy
from tests.model.records import Adjust, Money, Recharge, Refund, Reverse, Sell, SettleSale, Share
from tests.model.refusal import Refused, refuse_if


class Till:
    """The order ids that a site has taken, and what each was."""

    def __init__(self) -> None:
        self.taken: dict[str, Money | Sell | SettleSale] = {}
        self.reversed: set[str] = set()
        self.service_fees: dict[str, int] = {}
        """What was taken of each recharge."""

    def take(self, order: Money, accounts: dict[str, Account], of_site: Policy) -> str | None:
        """Take an order, or refuse it; the kind of notice that it gives.

        Raises:
            Refused: For the first reason that applies; nothing is changed.
        """
        self.refuse_repeat(order)
        refuse_if(order.account not in accounts, "unknown")
        account = accounts[order.account]
        if isinstance(order, Reverse):
            refuse_if(order.of not in self.taken, "unknown")
        named = order.weights if isinstance(order, Share) else {}
        refuse_if(any(account_id not in accounts for account_id in named), "unknown")
        refuse_if(any(each.is_closed for each in (account, *map(accounts.__getitem__, named))), "closed")
        refuse_if(any(each.has_credit_in_meter for each in map(accounts.__getitem__, named)), "invalid")
        refuse_if(account.has_credit_in_meter and not isinstance(order, Adjust), "invalid")
        match order:
            case Recharge():
                kind = self._recharge(account, order, account.effective_policy(of_site).service_fee_of(order.amount))
            case Refund():
                kind = self._refund(account, order)
            case Reverse():
                kind = self._reverse(account, order)
            case Adjust():
                kind = self._adjust(account, order)
            case Share():
                self._share(account, order, [accounts[account_id] for account_id in order.weights])
                kind = None
        self.taken[order.order_id] = order
        return kind

    def refuse_repeat(self, order: Money | Sell | SettleSale) -> None:
        """Refuse an order whose id was taken before.

        Raises:
            Refused: `duplicate` or `conflict`.
        """
        if order.order_id in self.taken:
            raise Refused("duplicate" if self.taken[order.order_id] == order else "conflict")

    def _recharge(self, account: Account, order: Recharge, service_fee: int) -> str | None:
        amount = refusal.money(order.amount)
        refuse_if(amount <= 0, "invalid")
        account.refuse_unless_fits(amount)
        account.recharged += amount
        account.had_recharge = True
        self.service_fees[order.order_id] = service_fee
        account.service_fees += service_fee
        return "recharged"

    def _refund(self, account: Account, order: Refund) -> str | None:
        amount = refusal.money(order.amount)
        refuse_if(amount <= 0, "invalid")
        refuse_if(amount > account.balance, "insufficient")
        account.refunded += amount
        return "refunded"

    def _reverse(self, account: Account, order: Reverse) -> str | None:
        recharge = self.taken[order.of]
        refuse_if(not isinstance(recharge, Recharge), "invalid")
        assert isinstance(recharge, Recharge)
        refuse_if(recharge.account != account.account_id, "invalid")
        refuse_if(order.of in self.reversed, "conflict")
        amount = refusal.money(recharge.amount)
        account.refuse_unless_fits(-amount)
        account.adjusted -= amount
        account.service_fees -= self.service_fees[order.of]
        self.reversed.add(order.of)
        return "reversed"

    def _adjust(self, account: Account, order: Adjust) -> str | None:
        amount = refusal.money(order.amount)
        refuse_if(amount == 0, "invalid")
        account.refuse_unless_fits(amount)
        account.adjusted += amount
        return None

    def _share(self, account: Account, order: Share, payers: list[Account]) -> None:
        amount = refusal.money(order.amount)
        weights = [refusal.scaled(weight, 3, 3) for weight in order.weights.values()]
        refuse_if(amount <= 0 or account in payers, "invalid")
        refuse_if(any(weight < 0 for weight in weights) or not any(weights), "invalid")
        cent = refusal.NANO // 100
        parts = [cents * cent for cents in share_out(amount // cent, weights)]
        for payer, part in zip(payers, parts, strict=True):
            payer.refuse_unless_fits(-part)
        account.refuse_unless_fits(amount)
        account.shared += amount
        for payer, part in zip(payers, parts, strict=True):
            payer.shared -= part
            payer.has_paid_share = payer.has_paid_share or part > 0


def share_out(amount: int, weights: list[int]) -> list[int]:
    """Whole parts of an amount: the floors of the exact ones, and what is left where most was cut off."""
    exact = [Fraction(amount * weight, sum(weights)) for weight in weights]
    parts = [floor(part) for part in exact]
    while sum(parts) < amount:
        # The first of those that lack most; one that got its unit lacks less than nothing.
        lacks = [part - whole for part, whole in zip(exact, parts, strict=True)]
        parts[lacks.index(max(lacks))] += 1
    return parts
