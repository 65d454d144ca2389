"""The orders of the ledger's language, each as a value; what a line of theirs must look like: `orderform`."""

from dataclasses import dataclass

from streams.core.daybands import Bands
from streams.core.localtime import MinuteRange
from streams.core.units import Quantity

ProfileText = tuple[tuple[int, ...] | None, tuple[str, ...] | None, Bands]
"""Months, day types and bands of a profile; None where months or types are left out."""
NamedQuantities = tuple[tuple[str, Quantity], ...]
Prices = tuple[tuple[str, tuple[tuple[str, tuple[Quantity, ...]], ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What all orders may carry: `operator`, who gave it."""

    operator: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTariff(Order):
    tariff: str
    starts_at: int
    unit: str
    cycle: str
    tiers: tuple[Quantity, ...] = (Quantity(0, 0),)
    bands: Bands = (("all", ()),)
    profiles: tuple[ProfileText, ...] | None = None
    components: Prices


@dataclass(frozen=True, slots=True, kw_only=True)
class SetCalendar(Order):
    days: tuple[tuple[int, str], ...]
    """Local days, counted from 1970-01-01, and their types."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAccount(Order):
    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallMeter(Order):
    meter: str
    account: str
    kind: str
    register: Quantity
    tariff: str | None = None
    ratio: int = 1
    digits: int | None = None
    max_kw: Quantity | None = None
    max_m3h: Quantity | None = None
    gateway: str = ""
    address: str = ""
    template: str = ""
    credit: str = "platform"
    remaining: Quantity | None = None
    count: int | None = None
    band_registers: NamedQuantities | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceMeter(Order):
    """Fields that are None carry over from the old meter."""

    meter: str
    final: Quantity
    new_meter: str
    register: Quantity
    ratio: int | None = None
    digits: int | None = None
    max_kw: Quantity | None = None
    max_m3h: Quantity | None = None
    gateway: str | None = None
    address: str | None = None
    template: str | None = None
    remaining: Quantity | None = None
    count: int | None = None
    final_bands: NamedQuantities | None = None
    """By band, where the old meter has band registers."""
    band_registers: NamedQuantities | None = None
    """Those of the new meter; left out, it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignTariff(Order):
    meter: str
    tariff: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPolicy(Order):
    """Without `account` it is the site's; fields that are None stay as they are."""

    account: str | None = None
    low: tuple[Quantity, ...] | None = None
    overdraft: Quantity | None = None
    protected: tuple[MinuteRange, ...] | None = None
    auto_restore: bool | None = None
    credit_tolerance: Quantity | None = None
    service_fee_percent: Quantity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetFee(Order):
    fee: str
    account: str
    amount: Quantity
    period: str
    starts_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyOrder(Order):
    account: str
    order_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recharge(MoneyOrder):
    amount: Quantity
    channel: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund(MoneyOrder):
    amount: Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Reverse(MoneyOrder):
    of: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjust(MoneyOrder):
    amount: Quantity
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Share(MoneyOrder):
    """`account` has the public meter; `weights` name those who pay, in the order of the line."""

    amount: Quantity
    weights: tuple[tuple[str, Quantity], ...]
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sell(Order):
    """Credit for a meter that holds it itself."""

    order_id: str
    meter: str
    amount: Quantity
    channel: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleSale(Order):
    order_id: str
    of: str
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Control(Order):
    meter: str
    action: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseAccount(Order):
    account: str
    finals: NamedQuantities = ()
    finals_of_bands: tuple[tuple[str, NamedQuantities], ...] = ()
    """By meter, where it has band registers, and band."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick(Order):
    """Time passes; nothing else."""


KINDS: dict[str, type[Order]] = {
    "set_tariff": SetTariff,
    "set_calendar": SetCalendar,
    "open_account": OpenAccount,
    "install_meter": InstallMeter,
    "set_policy": SetPolicy,
    "set_fee": SetFee,
    "recharge": Recharge,
    "refund": Refund,
    "reverse": Reverse,
    "adjust": Adjust,
    "share": Share,
    "sell": Sell,
    "settle_sale": SettleSale,
    "assign_tariff": AssignTariff,
    "replace_meter": ReplaceMeter,
    "control": Control,
    "close_account": CloseAccount,
    "tick": Tick,
}
