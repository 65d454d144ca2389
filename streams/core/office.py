"""What the office orders: each order is checked whole before anything changes, and refused in the order of P7."""

from collections.abc import Callable
from typing import Any

from streams.core import charging, money, mounting, selling, sharing, switching
from streams.core.account import AccountInfo, check_policy
from streams.core.calendar import DAY_TYPES, DayType, day_start
from streams.core.line import Line
from streams.core.orders import (
    Adjust,
    AssignTariff,
    CloseAccount,
    Control,
    InstallMeter,
    OpenAccount,
    Order,
    Recharge,
    Refund,
    ReplaceMeter,
    Reverse,
    Sell,
    SetCalendar,
    SetFee,
    SetPolicy,
    SetTariff,
    SettleSale,
    Share,
    Tick,
)
from streams.core.outcome import AccountOpened, VersionTaken
from streams.core.posting import plan_fits, plan_kept_parts, post_plan
from streams.core.tariff import Tariff, TariffVersion, check_version

TARIFFS_MAX = 1_000
DAYS_MAX = 40_000
"""The most tariffs and named days of a site: they are in one page, with the names of the tariffs."""


def carry_out(line: Line, order: Order) -> None:
    """Take an order or refuse it."""
    _HANDLERS[type(order)](line, order)


def set_tariff(line: Line, order: SetTariff) -> None:
    """Take a tariff's first or a further version in; price what waited for it."""
    books, tariffs = line.books, line.books.tariffs
    number = tariffs.by_name.get(order.tariff, len(tariffs))
    known = tariffs[number] if number < len(tariffs) else None
    version = check_version(order, number=tariffs.versions, tariff=number)
    if version is None or number >= TARIFFS_MAX or (known is not None and known.unit != order.unit):
        return line.refuse("invalid", order.tariff)
    if order.starts_at < int(tariffs.priced_until[number]) and known is not None:
        return line.refuse("retroactive", order.tariff)
    tariff = known or Tariff(order.tariff, order.unit)
    if known is None:
        tariffs.add(tariff)
    kept_versions, kept_until = tariff.versions, tariffs.priced_until.copy()
    tariff.put(version)
    plan = plan_kept_parts(books, number)
    if not plan_fits(line, plan):
        tariff.versions, tariffs.priced_until = kept_versions, kept_until
        if known is None:
            tariffs.drop_last()
        return line.refuse("invalid", order.tariff)
    tariffs.versions += 1
    books.tariffs_changed(version)
    books.journal.versions.append(_version_taken(line, order, version))
    post_plan(line, plan)


def set_calendar(line: Line, order: SetCalendar) -> None:
    """Give local days types of their own."""
    books, tariffs = line.books, line.books.tariffs
    days = {day: DayType(DAY_TYPES.index(day_type)) for day, day_type in order.days}
    if not days or tariffs.calendar.count_with(days) > DAYS_MAX:
        return line.refuse("invalid")
    changed = tariffs.calendar.changes(days)
    if changed and day_start(min(changed)) < tariffs.priced_by_day_type():
        return line.refuse("retroactive")
    tariffs.calendar.name(days)
    tariffs.changed()
    books.site_dirty = True


def _version_taken(line: Line, order: SetTariff, version: TariffVersion) -> VersionTaken:
    return VersionTaken(
        position=line.position,
        at=line.at,
        number=version.number,
        tariff=order.tariff,
        starts_at=version.starts_at,
        unit=order.unit,
        cycle=version.cycle,
        tiers=version.tiers,
        bands=version.band_names,
        components=version.components,
        prices=version.prices,
    )


def open_account(line: Line, order: OpenAccount) -> None:
    """Open an account with a balance of 0."""
    accounts = line.books.accounts
    known = accounts.by_id.get(order.account)
    if known is not None:
        return line.refuse("closed" if accounts.infos[known].closed else "conflict", order.account)
    number = accounts.add(AccountInfo(order.account))
    line.books.journal.accounts.append(AccountOpened(line.position, line.at, number, order.account))


def set_policy(line: Line, order: SetPolicy) -> None:
    """Change the fields of a policy that the order names; an account's own win over its site's."""
    accounts = line.books.accounts
    number = None
    if order.account is not None:
        number = accounts.by_id.get(order.account)
        if number is None:
            return line.refuse("unknown", order.account)
        if accounts.infos[number].closed:
            return line.refuse("closed", order.account)
    change = check_policy(order)
    if change is None:
        return line.refuse("invalid", order.account or "")
    if number is None:
        accounts.site_policy = accounts.site_policy.then(change)
        line.books.site_dirty = True
    else:
        accounts.infos[number].own = accounts.infos[number].own.then(change)
        accounts.dirty_infos.add(number)
    for touched in range(len(accounts.infos)) if number is None else [number]:
        accounts.apply_policy(touched)
        line.touch(touched)


def tick(line: Line, order: Tick) -> None:
    """Time passes; the end of the line does the rest."""


_HANDLERS: dict[type[Order], Callable[[Line, Any], None]] = {
    SetTariff: set_tariff,
    OpenAccount: open_account,
    SetCalendar: set_calendar,
    SetPolicy: set_policy,
    SetFee: charging.set_fee,
    Tick: tick,
    InstallMeter: mounting.install_meter,
    ReplaceMeter: mounting.replace_meter,
    AssignTariff: mounting.assign_tariff,
    Recharge: money.recharge,
    Refund: money.refund,
    Reverse: money.reverse,
    Adjust: money.adjust,
    Share: sharing.share,
    CloseAccount: money.close_account,
    Sell: selling.sell,
    SettleSale: selling.settle_sale,
    Control: switching.control,
}
