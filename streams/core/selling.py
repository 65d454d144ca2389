"""Remote sale into meters that hold their credit themselves: sold, and settled by the office where the count cannot.

Both orders carry an `order_id` of the set that all money orders share (P9). A sale is money only once it is settled.
"""

from dataclasses import replace

from streams.core.account import TakenOrder, order_digest
from streams.core.credit import Credit, Sale
from streams.core.crediting import drop_sale, finish, send_first
from streams.core.line import Line
from streams.core.meter import Care
from streams.core.orders import Sell, SettleSale
from streams.core.units import money_nano


def sell(line: Line, order: Sell) -> None:
    """Sell credit into a meter: sent at once, or when those before it are settled."""
    books = line.books
    if _answered(line, order, "sell", order.meter):
        return
    number = books.meters.by_id.get(order.meter)
    if number is None:
        return line.refuse("unknown", order.meter)
    setup = books.meters.setup.rows[number]
    if setup["care"] & Care.CLOSED:
        return line.refuse("closed", order.meter)
    account, credit, amount = int(setup["account"]), books.credits.get(number), money_nano(order.amount)
    if credit is None or amount is None or amount <= 0 or not line.fits(account, credit.pending + amount):
        return line.refuse("invalid", order.meter)
    fee = books.accounts.policies[account].service_fee_on(amount)
    sale = Sale(order.order_id, amount, order.channel or "", order.operator or "", fee)
    if not sale.credit or not credit.takes_another:
        return line.refuse("invalid", order.meter)
    credit = replace(credit, sales=(*credit.sales, sale))
    books.credits.put(number, send_first(line, number, credit) if len(credit.sales) == 1 else credit)
    _take(line, order, "sell", account, amount)


def settle_sale(line: Line, order: SettleSale) -> None:
    """Say what became of a sale that the meter's count does not tell: taken, or void."""
    books = line.books
    if _answered(line, order, "settle_sale", order.of):
        return
    taken = books.taken.get(order.of)
    if taken is None:
        return line.refuse("unknown", order.of)
    if books.accounts.infos[taken.account].closed:
        return line.refuse("closed", order.of)
    if taken.kind != "sell":
        return line.refuse("invalid", order.of)
    # Only while no sale is unsettled can a meter be replaced, so it is with the meter in use.
    number = books.meters.seated(taken.account)[0]
    credit = books.credits[number]
    sale = next((sale for sale in credit.sales if sale.order_id == order.of), None)
    is_taken = order.outcome == "taken"
    if sale is not None and is_taken and (sale is not credit.sales[0] or not line.fits(taken.account, sale.amount)):
        return line.refuse("invalid", order.of)
    if sale is None:
        return line.refuse("conflict", order.of)
    books.credits.put(number, _settled(line, number, credit, sale, order))
    _take(line, order, "settle_sale", taken.account, sale.amount if is_taken else 0)


def _settled(line: Line, number: int, credit: Credit, sale: Sale, order: SettleSale) -> Credit:
    if order.outcome == "void":
        return drop_sale(line, number, credit, sale)
    if credit.awaits(credit.count):
        # The meter's count is there, told or not: the next sale must not be taken for confirmed by it.
        credit = replace(credit, count=credit.expected)
    return finish(line, number, credit, sale, operator=order.operator or "")


def _answered(line: Line, order: Sell | SettleSale, kind: str, subject: str) -> bool:
    """Answer an order whose id was taken before."""
    taken = line.books.taken.get(order.order_id)
    if taken is None:
        return False
    line.refuse("duplicate" if taken.digest == order_digest(kind, order) else "conflict", subject)
    return True


def _take(line: Line, order: Sell | SettleSale, kind: str, account: int, amount: int) -> None:
    line.books.taken[order.order_id] = TakenOrder(order_digest(kind, order), kind, account, amount)
    line.books.dirty_orders.add(order.order_id)
