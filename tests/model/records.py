"""What a well-formed line says: one frozen value for each kind of order, and one for a reading.

Decimals are `Fraction`s as they were written; whether a value is allowed is judged later, by the one who
takes the line (`invalid` is a refusal, not a malformed line). Two orders have the same content exactly when
their values are equal: `at` and `site` are not part of them, and decimals compare by value.
"""

from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from tests.model.texts import DayRange


class Malformed(Exception):
    """A line that stops the run.

    Args:
        line: Its number, from 1.
        field: The field at fault; empty when the line isn't a JSON object.
        reason: What is wrong, for people.
    """

    def __init__(self, line: int, field: str, reason: str) -> None:
        super().__init__(f"line {line}: {field or 'not JSON'}: {reason}")
        self.line = line
        self.field = field
        self.reason = reason


@dataclass(frozen=True)
class Profile:
    """Bands of the days of some months and types; None where it does not say which."""

    months: tuple[int, ...] | None
    days: tuple[str, ...] | None
    bands: dict[str, tuple[DayRange, ...]]


@dataclass(frozen=True)
class SetTariff:
    """A version of a tariff, in force from `start`; `bands` is None where the line has none."""

    tariff: str
    start: int
    unit: str
    cycle: str
    tiers: tuple[Fraction, ...]
    bands: dict[str, tuple[DayRange, ...]] | None
    profiles: tuple[Profile, ...] | None
    components: dict[str, dict[str, tuple[Fraction, ...]]]


@dataclass(frozen=True)
class SetCalendar:
    days: dict[date, str]


@dataclass(frozen=True)
class OpenAccount:
    account: str


@dataclass(frozen=True)
class InstallMeter:
    meter: str
    account: str
    kind: str
    tariff: str | None
    register: Fraction
    ratio: int
    digits: int | None
    max_kw: Fraction | None
    max_m3h: Fraction | None
    credit: str
    remaining: Fraction | None
    count: int | None
    band_registers: dict[str, Fraction] | None


@dataclass(frozen=True)
class SetPolicy:
    """The fields that the line names, for an account or else for the line's site."""

    account: str | None
    low: tuple[Fraction, ...] | None
    overdraft: Fraction | None
    protected: tuple[DayRange, ...] | None
    auto_restore: bool | None
    credit_tolerance: Fraction | None
    service_fee_percent: Fraction | None


@dataclass(frozen=True)
class SetFee:
    fee: str
    account: str
    amount: Fraction
    period: str
    start: int


@dataclass(frozen=True)
class Recharge:
    account: str
    order_id: str
    amount: Fraction
    channel: str | None


@dataclass(frozen=True)
class Refund:
    account: str
    order_id: str
    amount: Fraction


@dataclass(frozen=True)
class Reverse:
    account: str
    order_id: str
    of: str


@dataclass(frozen=True)
class Adjust:
    account: str
    order_id: str
    amount: Fraction
    reason: str


@dataclass(frozen=True)
class Share:
    """Two with the same weights are equal whatever their order; `weights` still has that of the line."""

    account: str
    order_id: str
    amount: Fraction
    weights: dict[str, Fraction]
    by: str


@dataclass(frozen=True)
class AssignTariff:
    meter: str
    tariff: str


@dataclass(frozen=True)
class ReplaceMeter:
    meter: str
    final: Fraction
    new_meter: str
    register: Fraction
    ratio: int | None
    digits: int | None
    max_kw: Fraction | None
    max_m3h: Fraction | None
    remaining: Fraction | None
    count: int | None
    final_bands: dict[str, Fraction] | None
    band_registers: dict[str, Fraction] | None


@dataclass(frozen=True)
class Sell:
    order_id: str
    meter: str
    amount: Fraction
    channel: str | None


@dataclass(frozen=True)
class SettleSale:
    order_id: str
    of: str
    outcome: str


@dataclass(frozen=True)
class Control:
    meter: str
    action: str


@dataclass(frozen=True)
class CloseAccount:
    account: str
    finals: dict[str, Fraction]
    finals_of_bands: dict[str, dict[str, Fraction]]


@dataclass(frozen=True)
class Tick:
    pass


@dataclass(frozen=True)
class Reading:
    """All behind `read_at` is None where the reading says nothing of it."""

    meter: str
    register: Fraction
    read_at: int
    supply: str | None
    remaining: Fraction | None
    count: int | None
    band_registers: dict[str, Fraction] | None
    conditions: tuple[str, ...] | None
    events: dict[str, int] | None


Money = Recharge | Refund | Reverse | Adjust | Share
Record = (
    SetTariff
    | SetCalendar
    | OpenAccount
    | InstallMeter
    | SetPolicy
    | SetFee
    | Money
    | AssignTariff
    | ReplaceMeter
    | Sell
    | SettleSale
    | Control
    | CloseAccount
    | Tick
    | Reading
)


@dataclass(frozen=True)
class Line:
    """One line of a scenario: its number, the `at` it carries, its site and what it says."""

    number: int
    at: int
    site: str
    record: Record
