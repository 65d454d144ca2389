"""Random fixed fees for the generator, often at the very times at which they fall due, and shares of public meters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.model.draw_accounts import AMOUNTS, BAD_AMOUNTS, WIDE_AMOUNTS, some_account_id
from tests.model.texts import DAY, HOUR, local, midnight

if TYPE_CHECKING:
    from tests.model.generator import World

NAMES = ("rent", "property", "车位")


def month_begin(time: int) -> int:
    """The local midnight on the 1st of the month of a time."""
    return midnight(time) - (local(time).day - 1) * DAY


def next_month(time: int) -> int:
    """The local midnight on the 1st of the month after that of a time."""
    return month_begin(month_begin(time) + 31 * DAY)


def due_times(world: World) -> set[int]:
    """Times at which something may fall due, and those of rates that begin."""
    now = world.now
    times = {midnight(now) + DAY, next_month(now), next_month(now)}
    for account in world.site.accounts.values():
        for fee in account.fixed_fees.values():
            times |= {rate.start for rate in fee.rates}
    return times


def set_fee(world: World) -> None:
    """A fee, or a change of one that an account has, or its end."""
    account_id = some_account_id(world)
    account = world.site.accounts.get(account_id)
    names = [*NAMES, *(account.fixed_fees if account else ())]
    name = world.luck.choice(names)
    now, fee = world.now, account.fixed_fees.get(name) if account else None
    starts = [now, now, now + 1, midnight(now), midnight(now) + DAY, midnight(now) + DAY, next_month(now)]
    starts += [month_begin(now), now + 10 * DAY, now - 40 * DAY, now - HOUR, next_month(now) + 12 * HOUR]
    if world.chance(0.05):
        starts = [now - 400 * DAY]
    if fee is not None:
        starts += [rate.start for rate in fee.rates]
        if fee.charged_until is not None:
            starts += [fee.charged_until, fee.charged_until + 1, fee.charged_until + 1, fee.charged_until - 1]
    amounts = ("0", "0", "0.01", *AMOUNTS, *AMOUNTS)
    world.write(
        {
            "order": "set_fee",
            "fee": name,
            "account": account_id,
            "amount": world.luck.choice(
                BAD_AMOUNTS if world.chance(0.05) else WIDE_AMOUNTS if world.chance(0.02) else amounts
            ),
            "period": world.luck.choice(("month", "day", "day")),
            "from": world.write_time(world.luck.choice(starts)),
        }
    )


def share(world: World) -> None:
    """What a public meter cost, over some of the other accounts or all; now and then over wrong ones."""
    public = some_account_id(world)
    others = [account_id for account_id in world.site.accounts if account_id != public]
    if world.chance(0.9):
        others = [each for each in others if not world.site.accounts[each].is_closed]
    world.luck.shuffle(others)
    if others and world.chance(0.3):
        others.pop()
    if world.chance(0.05):
        others.append(world.luck.choice((public, "nobody")))
    weights = ("0", "1", "1", "1", "1.000", "2", "3", "35.5", "20", "0.001", "999999999.999")
    chosen = {account_id: world.luck.choice(weights) for account_id in others}
    if chosen and world.chance(0.06):
        chosen[world.luck.choice(others)] = world.luck.choice(("-1", "0.0001", "1000000000", "-0"))
    amount = world.luck.choice(BAD_AMOUNTS if world.chance(0.05) else WIDE_AMOUNTS if world.chance(0.03) else AMOUNTS)
    order: dict[str, Any] = {
        "order": "share",
        "account": public,
        "order_id": world.new_id("O"),
        "amount": amount,
        "weights": chosen,
        "by": world.luck.choice(("area", "consumption", "parts")),
    }
    world.money_orders.append(order)
    world.write(order)
