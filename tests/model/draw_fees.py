"""Random fixed fees for the generator, often at the very times at which they fall due."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
