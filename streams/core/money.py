"""Money orders: recharge, refund, reversal, adjustment, and the closing of an account.

All but the closing carry an `order_id`; one that was taken before is answered `duplicate` if its content is the same
and refused `conflict` if not (P9). The balance changes only here and by deductions.
"""

from dataclasses import replace

from streams.core.account import TakenOrder, order_digest
from streams.core.consumption import Judgement, final_bands, judge_final
from streams.core.line import Line
from streams.core.meter import Meter
from streams.core.orders import Adjust, CloseAccount, MoneyOrder, NamedQuantities, Recharge, Refund, Reverse
from streams.core.outcome import AccountClosed
from streams.core.posting import write_down
from streams.core.units import money_nano


def recharge(line: Line, order: Recharge) -> None:
    """Money in."""
    account = _open_account(line, order, "recharge")
    if account is None:
        return
    amount = money_nano(order.amount)
    if amount is None or amount <= 0 or not line.fits(account, amount):
        return line.refuse("invalid", order.account)
    line.move(
        account,
        amount,
        kind="recharge",
        order_id=order.order_id,
        notice="recharged",
        spent=True,
        channel=order.channel or "",
        operator=order.operator,
    )
    fee = line.books.accounts.policies[account].service_fee_on(amount)
    line.take_service_fee(account, fee, of=order.order_id, operator=order.operator)
    note_taken(line, order, "recharge", account, amount, service_fee=fee)


def refund(line: Line, order: Refund) -> None:
    """Money out, up to the balance."""
    account = _open_account(line, order, "refund")
    if account is None:
        return
    amount = money_nano(order.amount)
    if amount is None or amount <= 0:
        return line.refuse("invalid", order.account)
    if amount > line.books.accounts.balance(account):
        return line.refuse("insufficient", order.account)
    line.move(account, -amount, kind="refund", order_id=order.order_id, notice="refunded", operator=order.operator)
    note_taken(line, order, "refund", account, -amount)


def reverse(line: Line, order: Reverse) -> None:
    """Take back the whole of a recharge, once; the balance may go negative."""
    if is_seen(line, order, "reverse"):
        return
    books = line.books
    account = books.accounts.by_id.get(order.account)
    taken = books.taken.get(order.of)
    if account is None or taken is None:
        return line.refuse("unknown", order.account)
    if books.accounts.infos[account].closed:
        return line.refuse("closed", order.account)
    if taken.kind != "recharge" or taken.account != account or account in books.accounts.own_credit:
        return line.refuse("invalid", order.account)
    if taken.reversed:
        return line.refuse("conflict", order.account)
    if not line.fits(account, -taken.amount):
        return line.refuse("invalid", order.account)
    line.move(
        account,
        -taken.amount,
        kind="reversal",
        order_id=order.order_id,
        notice="reversed",
        of=order.of,
        operator=order.operator,
    )
    line.take_service_fee(account, -taken.service_fee, of=order.of, operator=order.operator)
    books.taken[order.of] = replace(taken, reversed=True)
    books.dirty_orders.add(order.of)
    note_taken(line, order, "reverse", account, -taken.amount)


def adjust(line: Line, order: Adjust) -> None:
    """Correct a balance, with a reason."""
    account = _open_account(line, order, "adjust")
    if account is None:
        return
    amount = money_nano(order.amount)
    if amount is None or amount == 0 or not line.fits(account, amount):
        return line.refuse("invalid", order.account)
    line.move(account, amount, kind="adjustment", order_id=order.order_id, reason=order.reason, operator=order.operator)
    note_taken(line, order, "adjust", account, amount)


def close_account(line: Line, order: CloseAccount) -> None:
    """Charge the final readings, pay out what is left, and cut for good (P21, P28, P29)."""
    books = line.books
    account = books.accounts.by_id.get(order.account)
    named = [meter for meter, _ in (*order.finals, *order.finals_of_bands)]
    if account is None or any(meter not in books.meters.by_id for meter in named):
        return line.refuse("unknown", order.account)
    if books.accounts.infos[account].closed:
        return line.refuse("closed", order.account)
    finals = {books.meters.by_id[meter]: final.scaled(3) for meter, final in order.finals}
    seated = books.meters.seated(account)
    kept_until = books.tariffs.priced_until.copy()
    bands = {books.meters.by_id[meter]: registers for meter, registers in order.finals_of_bands}
    judged = _judge_finals(line, finals, bands, seated)
    due = sum(judgement.amount for _, _, judgement in judged or ())
    reason = "invalid" if judged is None or not line.fits(account, -due) else ""
    if judged is not None and len(judged) < len(seated):
        reason = "incomplete"
    if not reason and any(books.credits.pending(meter) for meter in seated):
        reason = "pending"
    if judged is None or reason:
        books.tariffs.priced_until = kept_until
        return line.refuse(reason, order.account)
    line.closing = account
    line.touch(account)
    for meter, final, judgement in judged:
        meter.closed = True
        books.meters.store(meter, at=line.at)
        write_down(line, meter, judgement, register=final, read_at=meter.read_at)
    balance = books.accounts.balance(account)
    if balance > 0:
        line.move(account, -balance, kind="closing_refund", order_id="", notice="refunded", operator=order.operator)
    books.accounts.infos[account].closed = True
    books.journal.closings.append(AccountClosed(line.position, line.at, account))
    books.fees.stop(account)
    books.accounts.dirty_infos.add(account)


def _judge_finals(
    line: Line, finals: dict[int, int | None], bands: dict[int, NamedQuantities], seated: list[int]
) -> list[tuple[Meter, int, Judgement]] | None:
    """Every final with its meter as charged by it; None where one is `invalid`. Nothing is stored yet."""
    if not set(bands) <= set(finals) <= set(seated):
        return None
    books = line.books
    judged = []
    for number in seated:
        if number in finals:
            final = finals[number]
            meter = books.meters.load(number)
            register = -1 if final is None else final
            told = final_bands(meter, bands.get(number))
            judgement = judge_final(meter, books.tariffs, register=register, at=line.at, bands=told)
            if judgement is None:
                return None
            judged.append((meter, register, judgement))
    return judged


def _open_account(line: Line, order: MoneyOrder, kind: str) -> int | None:
    """The account of a new money order; None where the order was answered or refused."""
    if is_seen(line, order, kind):
        return None
    accounts = line.books.accounts
    account = accounts.by_id.get(order.account)
    if account is None:
        line.refuse("unknown", order.account)
    elif accounts.infos[account].closed:
        line.refuse("closed", order.account)
    elif kind != "adjust" and account in accounts.own_credit:
        # Its money is in the meter: only a sale brings any there.
        line.refuse("invalid", order.account)
    else:
        return account
    return None


def is_seen(line: Line, order: MoneyOrder, kind: str) -> bool:
    """Answer an order whose id was taken before."""
    taken = line.books.taken.get(order.order_id)
    if taken is None:
        return False
    line.refuse("duplicate" if taken.digest == order_digest(kind, order) else "conflict", order.account)
    return True


def note_taken(line: Line, order: MoneyOrder, kind: str, account: int, amount: int, *, service_fee: int = 0) -> None:
    """Remember an order that was taken."""
    taken = TakenOrder(order_digest(kind, order), kind, account, amount, service_fee=service_fee)
    line.books.taken[order.order_id] = taken
    line.books.dirty_orders.add(order.order_id)
