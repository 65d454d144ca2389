"""What is ordered by hand: cut, restore, retain, release (P22 to P24), and the time for a meter's clock."""

from streams.core.line import Line
from streams.core.meter import Action, Care, Reason
from streams.core.orders import Control


def control(line: Line, order: Control) -> None:
    """Carry out a manual command, or refuse it (`retained`, `arrears`)."""
    books = line.books
    number = books.meters.by_id.get(order.meter)
    if number is None:
        return line.refuse("unknown", order.meter)
    meter = books.meters.setup.rows[number]
    if meter["care"] & Care.CLOSED:
        return line.refuse("closed", order.meter)
    if order.action == "sync_time":
        return line.send(number, order.action, "manual")
    account = int(meter["account"])
    if order.action == "cut" and meter["retained"]:
        return line.refuse("retained", order.meter)
    if order.action == "restore" and books.accounts.wants_off(account):
        return line.refuse("arrears", order.meter)
    line.touch(account)
    books.meters.setup.touch(number)
    if order.action == "cut":
        meter["manual"] = 1
        if not meter["off"]:
            line.switch(number, Action.CUT, Reason.MANUAL)
    elif order.action == "release":
        meter["retained"] = 0
    else:
        meter["manual"] = 0
        if order.action == "retain":
            meter["retained"] = 1
        if meter["off"]:
            reason = Reason.RETAIN if order.action == "retain" else Reason.MANUAL
            line.switch(number, Action.RESTORE, reason)
    if order.action in ("retain", "release") and meter["care"] & Care.CREDIT:
        # It cuts by itself when its credit ends, so it has to know.
        line.send(number, order.action, "retain" if order.action == "retain" else "manual")
