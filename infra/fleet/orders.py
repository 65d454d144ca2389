"""The orders by which the property group comes into being, in the language of the scenario files.

Sent twice they change nothing: opening and installing again is refused, policies and tariff versions are the
same once more, and a first recharge carries an order id that is made from its account's id.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

from infra.fleet.load import LOCAL_OFFSET_MS
from infra.fleet.meter import Kind, MeterSpec
from infra.fleet.property import AccountPlan, Property
from infra.fleet.renting import tariff_of
from infra.fleet.tariffs import TARIFFS, Tariff
from infra.fleet.tenants import CHARACTERS, Character

Order = dict[str, object]

_LOCAL = timezone(timedelta(milliseconds=LOCAL_OFFSET_MS))
_CHANNEL = "counter"
_OPERATOR = "fleet"
_UNITS = {Kind.ELECTRICITY: "kWh", Kind.WATER: "m3"}


def initial_orders(group: Property) -> Iterator[Order]:
    """Give the orders site by site: tariffs, the site's policy, then each account with its meters."""
    for index, site in enumerate(group.sites):
        units = {_UNITS[spec.kind] for account in group.accounts if account.site == site for spec in account.meters}
        for tariff in TARIFFS:
            if tariff.unit in units:
                yield _order(group, site, "set_tariff", **_tariff(tariff, group.origin_ms))
        yield _order(group, site, "set_policy", **_policy(CHARACTERS[index % len(CHARACTERS)]))
        for account in group.accounts:
            if account.site == site:
                yield from _account_orders(group, account)


def first_recharge_id(account: str) -> str:
    """Name the order id of an account's first recharge.

    >>> first_recharge_id("S1-A0001")
    'FIRST-S1-A0001'
    """
    return f"FIRST-{account}"


def replacement(spec: MeterSpec, *, final_wh: int, at_ms: int, successor: MeterSpec) -> Order:
    """The order that books a fitter's work: what the old meter showed, and which one hangs there now."""
    return {
        "at": _iso(at_ms),
        "order": "replace_meter",
        "site": spec.site,
        "operator": _OPERATOR,
        "meter": spec.meter,
        "final": _register(final_wh),
        "new_meter": successor.meter,
        "register": _register(successor.initial_wh),
        "gateway": successor.gateway,
        "address": successor.address,
        "template": successor.template,
    }


def _account_orders(group: Property, plan: AccountPlan) -> Iterator[Order]:
    yield _order(group, plan.site, "open_account", account=plan.account)
    for spec in plan.meters:
        yield _order(group, plan.site, "install_meter", **_installation(spec, plan))
    if plan.overdraft is not None:
        yield _order(group, plan.site, "set_policy", account=plan.account, overdraft=plan.overdraft)
    yield _order(
        group,
        plan.site,
        "recharge",
        account=plan.account,
        order_id=first_recharge_id(plan.account),
        amount=f"{plan.first_recharge_fen // 100}.{plan.first_recharge_fen % 100:02d}",
        channel=_CHANNEL,
    )


def _order(group: Property, site: str, name: str, /, **fields: object) -> Order:
    return {"at": _iso(group.origin_ms), "order": name, "site": site, "operator": _OPERATOR, **fields}


def _tariff(tariff: Tariff, origin_ms: int) -> Order:
    """Put a tariff in force from the local new year before the origin, ahead of every reading."""
    new_year = datetime(_local(origin_ms).year, 1, 1, tzinfo=_LOCAL)
    fields: Order = {
        "tariff": tariff.tariff,
        "from": new_year.isoformat(),
        "unit": tariff.unit,
        "cycle": tariff.cycle,
        "tiers": list(tariff.tiers),
        "components": tariff.components,
    }
    if tariff.bands is not None:
        fields["bands"] = tariff.bands
    return fields


def _policy(character: Character) -> Order:
    return {
        "low": list(character.low),
        "overdraft": "0",
        "protected": list(character.protected),
        "auto_restore": True,
    }


def _installation(spec: MeterSpec, plan: AccountPlan) -> Order:
    fields: Order = {
        "meter": spec.meter,
        "account": plan.account,
        "kind": spec.kind.value,
        "tariff": tariff_of(spec, plan.tariff).tariff,
        "register": _register(spec.initial_wh),
        "ratio": spec.ratio,
        "gateway": spec.gateway,
        "address": spec.address,
        "template": spec.template,
    }
    if spec.digits is not None:
        fields["digits"] = spec.digits
    return fields


def _register(wh: int) -> str:
    return f"{wh // 1000}.{wh % 1000 // 10:02d}"


def _local(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms // 1000, _LOCAL)


def _iso(at_ms: int) -> str:
    # To the millisecond where it is not a whole second: a reading a moment before belongs to the meter of before.
    local = _local(at_ms).replace(microsecond=at_ms % 1000 * 1000)
    return local.isoformat(timespec="milliseconds" if at_ms % 1000 else "seconds")
