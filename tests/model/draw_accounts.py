"""Random money orders, policies, openings and closings for the generator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.model import draw_bands
from tests.model.account import Account
from tests.model.refusal import NANO

if TYPE_CHECKING:
    from tests.model.generator import World

CENT = NANO // 100
AMOUNTS = ("10", "5", "5.00", "20", "0.01", "100", "37.5", "1", "2.50", "1000", "200")
BAD_AMOUNTS = ("0", "-1", "0.001", "1000000000", "-0", "10.005")
WIDE_AMOUNTS = ("999999999.99", "-999999999.99")
PROTECTED: tuple[list[str], ...] = (
    [],
    ["18:00-09:30"],
    ["08:00-10:00"],
    ["00:00-24:00"],
    ["22:00-24:00", "06:00-07:00"],
    ["12:00-14:00", "13:00-15:00"],
)


def some_account_id(world: World) -> str:
    """Mostly an account of the site, closed ones too; now and then one that it doesn't have."""
    known = list(world.site.accounts)
    if not known or world.chance(0.03):
        return world.luck.choice(("A0", "nobody"))
    return world.luck.choice(known)


def open_account(world: World, *, is_sound: bool = False) -> None:
    """A new account, or one whose id is in use."""
    account_id = world.new_id("A") if is_sound or world.chance(0.7) else some_account_id(world)
    if account_id not in world.site.accounts and ("account", account_id) in world.model.owners:
        account_id = world.new_id("A")
    world.write({"order": "open_account", "account": account_id})


def money_order(world: World) -> None:
    """A recharge, refund, reversal or adjustment; often again what was sent before, whole or changed."""
    if world.money_orders and world.chance(0.12):
        again = dict(world.luck.choice(world.money_orders))
        if world.chance(0.5):
            _change(world, again)
        world.write(again)
        return
    account_id = some_account_id(world)
    account = world.site.accounts.get(account_id)
    order: dict[str, Any] = {"account": account_id, "order_id": world.new_id("O")}
    kind = world.luck.choice(("recharge", "recharge", "recharge", "refund", "reverse", "adjust"))
    order = {"order": kind, **order}
    match kind:
        case "recharge":
            order["amount"] = _amount(world, account, 1)
            if world.chance(0.3):
                order["channel"] = world.luck.choice(("counter", "wechat"))
        case "refund":
            order["amount"] = "0.01" if world.chance(0.3) else _amount(world, account, -1)
        case "reverse":
            taken = [*world.site.till.taken, "nothing"]
            own = [each for each, what in world.site.till.taken.items() if getattr(what, "account", "") == account_id]
            order["of"] = world.luck.choice(own if own and world.chance(0.8) else taken)
        case _:
            sign = world.luck.choice(("", "-"))
            order["amount"] = _amount(world, account, 0) if world.chance(0.4) else sign + world.luck.choice(AMOUNTS)
            order["reason"] = "按表更正"
    world.money_orders.append(order)
    world.write(order)


def _change(world: World, order: dict[str, Any]) -> None:
    """Change what may or may not make an order another one."""
    match world.luck.randrange(4):
        case 0:
            order["account"] = some_account_id(world)
        case 1 if "amount" in order:
            amount = str(order["amount"])
            order["amount"] = amount + ("0" if "." in amount else ".00")
        case 2 if "amount" in order:
            order["amount"] = world.luck.choice(AMOUNTS)
        case 3 if order["order"] == "recharge":
            order["channel"] = world.luck.choice(("counter", "bank"))
        case 3 if order["order"] == "share":
            items = list(order["weights"].items())
            order["weights"] = dict(reversed(items))
        case _:
            order["order_id"] = world.luck.choice([other["order_id"] for other in world.money_orders])


def _amount(world: World, account: Account | None, sign: int) -> str:
    """An amount; often one that takes the balance exactly to a level, to nothing or just past it."""
    luck = world.luck.random()
    if luck < 0.05:
        return world.luck.choice(BAD_AMOUNTS)
    if luck < 0.07:
        return world.luck.choice(WIDE_AMOUNTS)
    if luck < 0.45 and account is not None:
        policy = account.effective_policy(world.site.policy)
        target = world.luck.choice((0, 0, -policy.overdraft, *policy.low)) + world.luck.choice((0, 0, CENT, -CENT))
        change = target - account.balance
        if change % CENT == 0 and change and (sign == 0 or change * sign > 0):
            return world.write_decimal(change // CENT * (sign or 1), 2)
    return world.luck.choice(AMOUNTS)


def set_policy(world: World) -> None:
    """Some fields of an account's policy or of its site's."""
    order: dict[str, Any] = {"order": "set_policy"}
    if world.chance(0.75):
        order["account"] = some_account_id(world)
    if world.chance(0.4):
        order["low"] = list(
            world.luck.choice((("20", "5"), ("50", "10.50"), ("5", "5"), ("0", "0"), ("10", "0"), ("100", "20")))
        )
    if world.chance(0.4):
        order["overdraft"] = world.luck.choice(("0", "0", "5", "10.00", "0.01", "100"))
    if world.chance(0.5):
        order["protected"] = list(world.luck.choice(PROTECTED))
    if world.chance(0.3):
        order["auto_restore"] = world.chance(0.5)
    if world.chance(0.2):
        order["service_fee_percent"] = world.luck.choice(("0", "1", "1.5", "0.6", "0.0001", "33.3333", "100"))
    if world.chance(0.06):
        name, value = world.luck.choice(
            (
                ("low", ["5", "20"]),
                ("low", ["5"]),
                ("low", ["5", "-1"]),
                ("low", ["5.001", "1"]),
                ("overdraft", "-1"),
                ("overdraft", "0.001"),
                ("service_fee_percent", "-0.5"),
                ("service_fee_percent", "100.0001"),
                ("service_fee_percent", "1.00001"),
                ("protected", ["08:00-08:00"]),
            )
        )
        order[name] = value
    world.write(order)


def close_account(world: World) -> None:
    """A closing, mostly with the right finals."""
    account_id = some_account_id(world)
    account = world.site.accounts.get(account_id)
    finals: dict[str, str] = {}
    for meter_id in account.meters if account else ():
        meter = world.site.meters[meter_id]
        added = world.luck.choice((0, 0, 1, 1000, 5000, 12345))
        register = meter.register + added
        if meter.device.wrap is not None and register >= meter.device.wrap:
            register -= meter.device.wrap
        finals[meter_id] = world.write_decimal(register)
    if finals and world.chance(0.25):
        del finals[world.luck.choice(list(finals))]
    if finals and world.chance(0.1):
        finals[world.luck.choice(list(finals))] = world.luck.choice(("-1", "0.0001", "0", "1000000000"))
    if world.site.meters and world.chance(0.08):
        finals[world.luck.choice([*world.site.meters, "M0"])] = "1"
    order: dict[str, Any] = {"order": "close_account", "account": account_id}
    if finals or world.chance(0.5):
        order["finals"] = finals
        bands = {
            meter_id: draw_bands.told(world, world.site.meters.get(meter_id), world.site.meters[meter_id].register + 1)
            for meter_id in finals
            if meter_id in world.site.meters and world.site.meters[meter_id].bands is not None
        }
        if bands and world.chance(0.6):
            order["finals_of_bands"] = bands
    world.write(order)
