"""The sales of a site into meters that hold their credit themselves: taken, sent, confirmed or settled."""

from tests.model import records, refusal
from tests.model.account import Account, Policy
from tests.model.credit import MeterCredit, Sale, Told, confirmed_sale, is_due_again, next_waiting, on_its_way
from tests.model.meter import Meter
from tests.model.money import Till
from tests.model.output import Events
from tests.model.refusal import Refused, refuse_if


class Sales:
    """Sells, settles and mirrors for the accounts and meters of one site."""

    def __init__(self, accounts: dict[str, Account], meters: dict[str, Meter], till: Till, events: Events) -> None:
        self.accounts = accounts
        self.meters = meters
        self.till = till
        self.events = events
        self.again: Meter | None = None
        """The meter to which the sale on its way goes out once more at the end of the line."""

    def sell(self, order: records.Sell, meter: Meter, of_site: Policy) -> None:
        """Have a sale wait for its turn.

        Raises:
            Refused: `invalid`.
        """
        account = self.accounts[meter.account_id]
        refuse_if(meter.credit is None, "invalid")
        amount = refusal.money(order.amount)
        refuse_if(amount <= 0, "invalid")
        account.refuse_unless_fits(account.pending + amount)
        sale = Sale(order, amount, account.effective_policy(of_site).service_fee_of(order.amount))
        refuse_if(sale.credit == 0, "invalid")
        unsettled = [sale for sale in account.sales if sale.is_pending]
        refuse_if(len(unsettled) == 100, "invalid")
        assert meter.credit is not None
        refuse_if(meter.credit.count + len(unsettled) + 1 > 999_999_999, "invalid")
        self.till.taken[order.order_id] = order
        account.sales.append(sale)

    def settle(self, order: records.SettleSale) -> Account | None:
        """Take the office's word for what became of a sale; the account whose sale it confirms, if it does.

        Raises:
            Refused: For the first reason that applies; nothing is changed.
        """
        of = self.till.taken.get(order.of)
        if of is None:
            raise Refused("unknown")
        account = self.accounts[self._account_of(of)]
        refuse_if(account.is_closed, "closed")
        refuse_if(not isinstance(of, records.Sell), "invalid")
        sale = next(sale for sale in account.sales if sale.order.order_id == order.of)
        if order.outcome == "taken":
            refuse_if(sale.state == "waiting", "invalid")
            if sale.is_pending:
                account.refuse_unless_fits(sale.amount)
        refuse_if(not sale.is_pending, "conflict")
        self.till.taken[order.order_id] = order
        if order.outcome == "void":
            sale.state = "void"
            return None
        credit = self.meters[account.meters[0]].credit
        assert credit is not None
        if credit.count == sale.sent_count - 1:
            credit.count = sale.sent_count
        self._confirm(account, sale)
        return account

    def refuse_unless_fits(self, meter: Meter, told: Told, *, due: int) -> None:
        """Refuse a reading that confirms a sale which the balance would not hold.

        Raises:
            Refused: `invalid`.
        """
        account = self.accounts[meter.account_id]
        sale = None if meter.credit is None else confirmed_sale(account.sales, meter.credit, told)
        if sale is not None:
            account.refuse_unless_fits(sale.amount - due)

    def mirror(self, meter: Meter, credit: MeterCredit, told: Told, *, tolerance: int, now: int) -> bool:
        """Take in what a newer reading tells, after its consumption was charged; whether it confirms a sale."""
        account = self.accounts[meter.account_id]
        confirmed = confirmed_sale(account.sales, credit, told)
        if told.remaining is not None:
            credit.remaining = told.remaining
        if told.count is not None:
            if confirmed is not None:
                self._confirm(account, confirmed)
            else:
                if told.count != credit.count:
                    self.events.add_alarm(now, meter.meter_id, "count")
                if is_due_again(on_its_way(account.sales), told.count, now):
                    self.again = meter
            credit.count = told.count
        if told.remaining is not None and told.count is not None:
            differs = abs(account.balance - credit.remaining) > tolerance
            if differs and not credit.differed:
                self.events.add_credit_alarm(now, meter.meter_id, account.balance, credit)
            credit.differed = differs
        return confirmed is not None

    def send(self, now: int) -> None:
        """At the end of a line, send each sale whose turn has come, or once more the one that is on its way."""
        for account in self.accounts.values():
            sale = next_waiting(account.sales)
            if sale is not None:
                meter = self.meters[account.meters[0]]
                assert meter.credit is not None
                sale.state, sale.sent_count = "sent", meter.credit.count + 1
                self._send(sale, meter, now, is_repeat=False)
        if self.again is not None:
            again = on_its_way(self.accounts[self.again.account_id].sales)
            assert again is not None
            self._send(again, self.again, now, is_repeat=True)
            self.again = None

    def _send(self, sale: Sale, meter: Meter, now: int, *, is_repeat: bool) -> None:
        sale.sent_at = now
        self.events.add_recharge(now, meter.meter_id, sale, is_repeat=is_repeat)

    def _confirm(self, account: Account, sale: Sale) -> None:
        sale.state = "confirmed"
        account.recharged += sale.amount
        account.service_fees += sale.service_fee
        account.had_recharge = True

    def _account_of(self, taken: records.Money | records.Sell | records.SettleSale) -> str:
        match taken:
            case records.Sell():
                return self.meters[taken.meter].account_id
            case records.SettleSale():
                return self._account_of(self.till.taken[taken.of])
            case _:
                return taken.account
