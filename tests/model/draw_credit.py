"""Random sales, settlements and mirrored credit for the generator: counts that grow by none, one, more or less, and
remaining credit on the edge of the tolerance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.model import draw_accounts
from tests.model.credit import on_its_way
from tests.model.meter import Meter
from tests.model.refusal import NANO

if TYPE_CHECKING:
    from tests.model.generator import World

CENT = NANO // 100
AMOUNTS = ("100", "50.00", "20", "5", "0.01", "30.5")
BAD_AMOUNTS = ("0", "-5", "0.001", "1000000000")
WIDE_AMOUNT = "999999999.99"
BAD_CREDIT = (
    {"remaining": "0.001"},
    {"remaining": "-1000000000"},
    {"count": -1},
    {"count": 1_000_000_000},
    {"count": 10**30},
)
COUNTS = (0, 0, 1, 7, 999_999_998)
REMAINING = ("0", "10", "12.50", "100.00", "-3", "999999999.99")


def credit_meter_ids(world: World) -> list[str]:
    """The meters in use that hold their credit themselves."""
    return [each for each, meter in world.site.meters.items() if meter.credit is not None and not meter.is_replaced]


def some_meter_id(world: World) -> str:
    """Mostly a meter that holds its credit itself."""
    own = credit_meter_ids(world)
    if own and world.chance(0.92):
        return world.luck.choice(own)
    return world.luck.choice([*world.site.meters, "M0"])


def opening(world: World) -> dict[str, Any]:
    """What an order says of the credit of a new meter that holds it itself."""
    fields: dict[str, Any] = {}
    if world.chance(0.8):
        fields["remaining"] = world.luck.choice(REMAINING)
    if world.chance(0.7):
        fields["count"] = world.luck.choice(COUNTS)
    if world.chance(0.04):
        fields |= world.luck.choice(BAD_CREDIT)
    return fields


def install_fields(world: World, account_id: str) -> dict[str, Any]:
    """What an installation says of credit: where the account can have it, often that the meter holds it."""
    account = world.site.accounts.get(account_id)
    is_fit = account is not None and not account.meters and account.balance == 0
    if world.chance(0.35 if is_fit else 0.03):
        return {"credit": "meter", **opening(world)}
    if world.chance(0.03):
        return {"credit": "platform", **(opening(world) if world.chance(0.4) else {})}
    return {}


def sell(world: World) -> None:
    """A sale; now and then what was sent before, whole or changed."""
    if world.sales and world.chance(0.12):
        again = dict(world.luck.choice(world.sales))
        if world.chance(0.4):
            again["amount"] = world.luck.choice((f"{again['amount']}0", "20.00", *AMOUNTS))
        world.write(again)
        return
    taken = list(world.site.till.taken)
    amount = world.luck.choice(BAD_AMOUNTS) if world.chance(0.05) else world.luck.choice(AMOUNTS)
    order = {
        "order": "sell",
        "order_id": world.luck.choice(taken) if taken and world.chance(0.04) else world.new_id("S"),
        "meter": some_meter_id(world),
        "amount": WIDE_AMOUNT if world.chance(0.03) else amount,
        **({"channel": world.luck.choice(("counter", "wechat"))} if world.chance(0.3) else {}),
    }
    world.sales.append(order)
    world.write(order)


def settle_sale(world: World) -> None:
    """A settlement: mostly of a sale that is not settled yet, sometimes of one that is, or of another order."""
    sales = [sale for account in world.site.accounts.values() for sale in account.sales]
    pending = [sale.order.order_id for sale in sales if sale.is_pending]
    of = [sale.order.order_id for sale in sales] + [*world.site.till.taken, "nothing"]
    ids = [order["order_id"] for order in world.sales] or ["S0"]
    world.write(
        {
            "order": "settle_sale",
            "order_id": world.luck.choice(ids) if world.chance(0.05) else world.new_id("X"),
            "of": world.luck.choice(pending) if pending and world.chance(0.8) else world.luck.choice(of),
            "outcome": world.luck.choice(("taken", "void")),
        }
    )


def draw(world: World) -> None:
    """Something of credit in meters: mostly a sale."""
    luck = world.luck.random()
    if luck < 0.62:
        sell(world)
    elif luck < 0.85:
        settle_sale(world)
    elif luck < 0.93:
        policy: dict[str, Any] = {
            "order": "set_policy",
            "credit_tolerance": world.luck.choice(("0", "1", "0.50", "100")),
        }
        if world.chance(0.3):
            policy["service_fee_percent"] = world.luck.choice(("0", "1.5", "50", "100"))
        if world.chance(0.5):
            policy["account"] = draw_accounts.some_account_id(world)
        if world.chance(0.1):
            policy["credit_tolerance"] = world.luck.choice(("-1", "0.001"))
        world.write(policy)
    else:
        draw_accounts.open_account(world, is_sound=True)


def told(world: World, meter: Meter | None) -> dict[str, Any]:
    """What a reading tells of its meter's credit; for most meters nothing."""
    if meter is None or meter.credit is None:
        return {"count": 3, "remaining": "1"} if world.chance(0.02) else {}
    if world.chance(0.06):
        return {}
    account = world.site.accounts[meter.account_id]
    sale, count = on_its_way(account.sales), meter.credit.count
    if world.chance(0.1):
        count += world.luck.choice((1, 2, -1, 3))
    elif sale is not None and world.chance(0.5):
        count = sale.sent_count
    remaining = account.balance
    if sale is not None and count == meter.credit.count + 1:
        remaining += sale.credit
    tolerance = account.effective_policy(world.site.policy).credit_tolerance
    if world.chance(0.5):
        offset = world.luck.choice((tolerance, tolerance + CENT, tolerance - CENT, 5 * NANO))
        remaining += world.luck.choice((1, -1)) * offset
    fields: dict[str, Any] = {"remaining": world.write_decimal(remaining // CENT, 2), "count": max(0, count)}
    if abs(remaining) >= 10**9 * NANO:
        fields["remaining"] = world.luck.choice(REMAINING)
    if world.chance(0.12):
        del fields[world.luck.choice(list(fields))]
    if world.chance(0.02):
        fields |= world.luck.choice(BAD_CREDIT)
    return fields
