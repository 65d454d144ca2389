"""Money orders of a site: taken once by their id (Accounts, P7, P9, P11)."""

from tests.model import refusal
from tests.model.account import Account
from tests.model.records import Adjust, Money, Recharge, Refund, Reverse
from tests.model.refusal import Refused, refuse_if


class Till:
    """The order ids that a site has taken, and what each was."""

    def __init__(self) -> None:
        self.taken: dict[str, Money] = {}
        self.reversed: set[str] = set()

    def take(self, order: Money, accounts: dict[str, Account]) -> str | None:
        """Take an order, or refuse it; the kind of notice that it gives.

        Raises:
            Refused: For the first reason that applies; nothing is changed.
        """
        if order.order_id in self.taken:
            raise Refused("duplicate" if self.taken[order.order_id] == order else "conflict")
        refuse_if(order.account not in accounts, "unknown")
        account = accounts[order.account]
        if isinstance(order, Reverse):
            refuse_if(order.of not in self.taken, "unknown")
        refuse_if(account.is_closed, "closed")
        match order:
            case Recharge():
                kind = self._recharge(account, order)
            case Refund():
                kind = self._refund(account, order)
            case Reverse():
                kind = self._reverse(account, order)
            case Adjust():
                kind = self._adjust(account, order)
        self.taken[order.order_id] = order
        return kind

    def _recharge(self, account: Account, order: Recharge) -> str | None:
        amount = refusal.money(order.amount)
        refuse_if(amount <= 0, "invalid")
        account.refuse_unless_fits(amount)
        account.recharged += amount
        account.had_recharge = True
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
        self.reversed.add(order.of)
        return "reversed"

    def _adjust(self, account: Account, order: Adjust) -> str | None:
        amount = refusal.money(order.amount)
        refuse_if(amount == 0, "invalid")
        account.refuse_unless_fits(amount)
        account.adjusted += amount
        return None
