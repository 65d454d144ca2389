"""Fixed fees ordered, and charged when they are due.

The site's first line at or after a due time charges it, before the line itself; what an order makes due at once, its
own line charges. So after every line nothing is due any more, and how often a line comes changes nothing.
"""

from streams.core.fees import AHEAD_MAX, Charge, Rate, Schedule
from streams.core.line import Line
from streams.core.orders import SetFee
from streams.core.units import money_nano


def charge_due_fees(line: Line) -> None:
    """Charge what is due at the line's time; nothing of the line itself may have happened yet."""
    fees = line.books.fees
    if fees.next_due() <= line.at:
        for charge in fees.take_due(line.at):
            _charge(line, charge)


def set_fee(line: Line, order: SetFee) -> None:
    """Set what a fee of an account is from an instant on, or that it ends there."""
    accounts, fees = line.books.accounts, line.books.fees
    account = accounts.by_id.get(order.account)
    if account is None:
        return line.refuse("unknown", order.account)
    if accounts.infos[account].closed:
        return line.refuse("closed", order.account)
    amount = money_nano(order.amount)
    if amount is None or amount < 0 or account in accounts.own_credit:
        return line.refuse("invalid", order.account)
    schedule = fees.schedules.get(account, {}).get(order.fee, Schedule())
    if order.starts_at <= schedule.charged_until(line.at):
        return line.refuse("retroactive", order.account)
    changed = schedule.with_rate(Rate(order.starts_at, amount, order.period), line.at)
    due = list(changed.charges(account, order.fee, after=order.starts_at - 1, until=line.at))
    if changed.ahead(line.at) > AHEAD_MAX or not line.fits(account, -sum(charge.amount for charge in due)):
        return line.refuse("invalid", order.account)
    fees.put(account, order.fee, changed, now=line.at)
    for charge in due:
        _charge(line, charge)


def _charge(line: Line, charge: Charge) -> None:
    """Take a fee from its balance; one that the balance could not hold is left out, for there is nobody to refuse."""
    if line.fits(charge.account, -charge.amount):
        line.move(charge.account, -charge.amount, kind="fee", order_id=charge.order_id, of=charge.of, spent=True)
