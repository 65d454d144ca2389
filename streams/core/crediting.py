"""A meter's own credit through its life: opened with the meter, mirrored by its readings, sent what was sold."""

from dataclasses import replace

from streams.core.books import Books
from streams.core.credit import Credit, Sale
from streams.core.line import Line
from streams.core.meter import Care
from streams.core.orders import InstallMeter, ReplaceMeter
from streams.core.outcome import Figures
from streams.core.supply import REPEAT_AFTER_MS
from streams.core.told import COUNT_LIMIT, UNTOLD, Told
from streams.core.units import MONEY_MAX, money_nano


def may_open(books: Books, order: InstallMeter, account: int) -> bool:
    """Whether an account can have a new meter, with the credit that the order tells of.

    A meter with credit in itself has its account alone, so that the account's balance is the ledger's of the meter:
    without fees, which the meter could not know of.
    """
    if order.credit == "platform":
        return order.remaining is None and order.count is None and account not in books.accounts.own_credit
    alone = not books.meters.seated(account) and books.accounts.balance(account) == 0
    return alone and not books.fees.awaits(account) and _is_sound(order)


def may_reopen(books: Books, order: ReplaceMeter, number: int) -> bool:
    """Whether a meter can be replaced by one with the credit that the order tells of."""
    if books.credits.get(number) is None:
        return order.remaining is None and order.count is None
    return _is_sound(order)


def reopening_refused(books: Books, order: ReplaceMeter, number: int, *, due: int) -> str:
    """Why a meter whose final reading costs `due` cannot be replaced after all; empty where it can."""
    remaining = _remaining(order)
    balance = books.accounts.balance(int(books.meters.setup.rows[number]["account"])) - due
    if remaining is not None and abs(remaining - balance) > MONEY_MAX:
        return "invalid"
    # Whether the old meter took what is on its way to it, nobody could read any more.
    return "pending" if books.credits.pending(number) else ""


def open_credit(line: Line, order: InstallMeter, number: int) -> None:
    """Take a new meter's own credit over, if it holds it: what it begins with is money that the ledger now has."""
    if order.credit == "platform":
        return
    credit = Credit(remaining=_remaining(order) or 0, count=order.count or 0)
    _keep(line, number, credit)
    _correct(line, number, credit.remaining, order.operator)


def reopen_credit(line: Line, order: ReplaceMeter, old: int, number: int) -> None:
    """Pass a meter's own credit on to its replacement, with what that one begins with where the order tells it."""
    was = line.books.credits.get(old)
    if was is None:
        return
    remaining = _remaining(order)
    credit = replace(
        was,
        remaining=was.remaining if remaining is None else remaining,
        count=was.count if order.count is None else order.count,
        outside=was.outside and remaining is None,
    )
    _keep(line, number, credit)
    if line.books.meters.setup.rows[number]["retained"]:
        # That it is not to cut by itself was told to the old meter alone.
        line.send(number, "retain", "retain")
    if remaining is not None:
        _correct(line, number, remaining, order.operator)


def mirror(line: Line, number: int, told: Told) -> None:
    """Take in what a newer reading tells of its meter's own credit, after its consumption was charged."""
    books = line.books
    was = books.credits[number]
    credit = was if told.remaining == UNTOLD else replace(was, remaining=told.remaining)
    if told.count != UNTOLD:
        sale = was.taken_at(told.count)
        credit = replace(credit, count=told.count)
        if told.count != was.count and sale is None:
            line.alarm(number, "count")
        if sale is not None:
            credit = finish(line, number, credit, sale, operator=sale.operator)
        elif credit.awaits(told.count) and line.at - credit.sent_at >= REPEAT_AFTER_MS:
            credit = send_first(line, number, credit, repeat=True)
    if UNTOLD not in (told.remaining, told.count):
        credit = _compare(line, number, credit)
    books.credits.put(number, credit)


def finish(line: Line, number: int, credit: Credit, sale: Sale, *, operator: str) -> Credit:
    """Post the sale that a meter has taken, and send the next one."""
    account = int(line.books.meters.setup.rows[number]["account"])
    line.move(
        account,
        sale.amount,
        kind="sale",
        order_id=sale.order_id,
        notice="recharged",
        spent=True,
        channel=sale.channel,
        operator=operator,
    )
    line.take_service_fee(account, sale.service_fee, of=sale.order_id, operator=operator)
    return drop_sale(line, number, credit, sale)


def drop_sale(line: Line, number: int, credit: Credit, sale: Sale) -> Credit:
    """Have a sale wait no more; where it was the one that was sent, the next one is."""
    first = credit.sales[0]
    credit = replace(credit, sales=tuple(other for other in credit.sales if other is not sale))
    return send_first(line, number, credit) if sale is first and credit.sales else credit


def send_first(line: Line, number: int, credit: Credit, *, repeat: bool = False) -> Credit:
    """Send a meter the sale that is its turn, or send it again: always to be taken as the same recharge count."""
    expected = credit.expected if repeat else credit.count + 1
    line.send(number, "recharge", "sale", repeat=repeat, amount=credit.sales[0].credit, count=expected)
    return replace(credit, expected=expected, sent_at=line.at)


def _compare(line: Line, number: int, credit: Credit) -> Credit:
    """Hold ledger and meter against each other; an alarm each time that they part."""
    accounts = line.books.accounts
    account = int(line.books.meters.setup.rows[number]["account"])
    balance = accounts.balance(account)
    outside = abs(balance - credit.remaining) > accounts.policies[account].credit_tolerance
    if outside and not credit.outside:
        line.alarm(number, "credit", Figures(balance, credit.remaining, credit.count))
    return replace(credit, outside=outside)


def _keep(line: Line, number: int, credit: Credit) -> None:
    books = line.books
    books.credits.put(number, credit)
    setup = books.meters.setup.rows[number]
    setup["care"] |= Care.CREDIT
    books.meters.setup.touch(number)
    books.accounts.own_credit.add(int(setup["account"]))


def _correct(line: Line, number: int, remaining: int, operator: str | None) -> None:
    """Bring a balance to what its new meter begins with."""
    account = int(line.books.meters.setup.rows[number]["account"])
    amount = remaining - line.books.accounts.balance(account)
    if amount:
        line.move(account, amount, kind="opening", order_id="", operator=operator)


def _remaining(order: InstallMeter | ReplaceMeter) -> int | None:
    return None if order.remaining is None else money_nano(order.remaining)


def _is_sound(order: InstallMeter | ReplaceMeter) -> bool:
    """Whether what an order tells of a meter's credit can be."""
    remaining = order.remaining is None or _remaining(order) is not None
    return remaining and (order.count is None or 0 <= order.count < COUNT_LIMIT)
