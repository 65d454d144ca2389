"""What a live demo shows of one moment."""

from dataclasses import dataclass

from infra.status import Lag


@dataclass(frozen=True, slots=True)
class Accounts:
    """How many accounts are in which state, and how many meters have no supply.

    Attributes:
        credit: Above the first low-balance level of their site.
        low: At or below it, but not below zero.
    """

    credit: int = 0
    low: int = 0
    arrears: int = 0
    meters_off: int = 0


@dataclass(frozen=True, slots=True)
class Deduction:
    """What a reading cost; `read_at_ms` is virtual, energy in Wh, money in nano-yuan."""

    read_at_ms: int
    account: str
    meter: str
    consumption_wh: int
    amount: int
    balance: int


@dataclass(frozen=True, slots=True)
class Switch:
    """A command to a meter; `at_ms` is virtual."""

    at_ms: int
    meter: str
    action: str
    reason: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment of the pipeline; the latest deductions and switches come first.

    Attributes:
        at_ms: Virtual.
        clickhouse: The database's address with its password.
    """

    at_ms: int
    clickhouse: str
    readings: int
    readings_per_s: int
    accounts: Accounts
    deductions: tuple[Deduction, ...]
    switches: tuple[Switch, ...]
    lags: tuple[Lag, ...]
