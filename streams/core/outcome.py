"""What the ledger made of its input: the rows and events that one settlement of a site gives out.

Rows that come by the thousand (readings and their priced pieces) are NumPy structured arrays; what comes by
the dozen (money entries, commands, notices, alarms, refusals, registry changes) are frozen values.
Everything names its cause, a `Position`, so that a repeat can always be told.
"""

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag

import numpy as np
from numpy.typing import NDArray


class Source(IntEnum):
    """The input that a position counts in."""

    FRAMES = 0
    ORDERS = 1


class Supply(IntEnum):
    """What a reading reports of the meter's relay or valve."""

    UNKNOWN = 0
    ON = 1
    OFF = 2


class Flag(IntFlag):
    """What the ledger noted on a reading; none on the common one."""

    DUPLICATE = 1
    CONFLICT = 2
    LATE = 4
    ROLLOVER = 8
    BACKWARDS = 16
    IMPLAUSIBLE = 32
    UNPRICED = 64
    """Some of the consumption found no tariff in force and is kept."""
    PRICED_LATE = 128
    """No reading of its own: consumption kept earlier that a tariff now covers; `consumption` is 0."""
    FINAL = 256
    """A final register given by an order (replacement or closing)."""


@dataclass(frozen=True, slots=True)
class Position:
    """The cause of a line: `line` counts within the record at `offset` of the partition's `source` topic."""

    source: Source
    offset: int
    line: int = 0


NO_CELL = 255
"""`band` and `tier` of a reading row that has no single price: nothing priced, or several pieces."""
NO_VERSION = 65535
"""`version` of a reading row without a single tariff version."""

READING = np.dtype(
    [
        ("offset", "<i8"),
        ("line", "<u4"),
        ("source", "u1"),
        ("supply", "u1"),
        ("flags", "<u2"),
        ("meter", "<u4"),
        ("account", "<u4"),
        ("at", "<i8"),
        ("read_at", "<i8"),
        ("register", "<i8"),
        ("consumption", "<i8"),
        ("amount", "<i8"),
        ("balance", "<i8"),
        ("version", "<u2"),
        ("band", "u1"),
        ("tier", "u1"),
    ]
)
"""One reading (or final register) as the ledger took it.

`meter` and `account` are the site's running numbers (see `MeterInstalled`, `AccountOpened`). Times are
milliseconds since 1970 UTC: `at` when it reached the head-end, `read_at` by the meter. `register` and
`consumption` are Wh or litres, `consumption` after the ratio; `amount` and the account's `balance` after the line
are nano-yuan. Where all of it was priced in one cell of one tariff version, that is `version`, `band`, `tier`;
otherwise `PIECE` rows follow.
"""

PIECE = np.dtype(
    [
        ("reading", "<u4"),
        ("version", "<u2"),
        ("band", "u1"),
        ("tier", "u1"),
        ("start", "<i8"),
        ("quantity", "<i8"),
        ("amount", "<i8"),
    ]
)
"""A part of a reading's consumption at one price: `reading` is the row's index in the same outcome's readings,
`start` the segment's start in ms, `quantity` Wh or litres, `amount` nano-yuan over all components."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A movement of money other than a deduction: `amount` nano-yuan as it changes the balance.

    It comes before the reading row of its position's `line` and behind those before that; `nth` counts the entries of
    one line of input.
    """

    position: Position
    at: int
    account: int
    kind: str
    """recharge, refund, reversal, adjustment, closing_refund, fee, service_fee, share; for credit in a meter sale or
    opening."""
    amount: int
    balance: int
    order_id: str
    of: str = ""
    """The recharge that a reversal takes back, or that a service fee is of; the first id of several due times of a fee
    in one entry."""
    channel: str = ""
    reason: str = ""
    operator: str = ""
    """Who gave the order."""
    nth: int = 0


@dataclass(frozen=True, slots=True)
class Command:
    """What a meter is to do, a change of supply mostly; `sequence` rises by one a command of the meter."""

    position: Position
    at: int
    meter: int
    action: str
    """cut or restore; recharge, retain and release of meters with their own credit; sync_time."""
    reason: str
    repeat: bool
    sequence: int
    amount: int = 0
    """What a recharge adds, nano-yuan."""
    count: int = 0
    """The recharge count that the meter then has; one that has it already took the recharge before."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the account's holder is told."""

    position: Position
    at: int
    account: int
    kind: str


@dataclass(frozen=True, slots=True)
class Figures:
    """What ledger and meter say of credit that the meter holds: nano-yuan each, and the meter's recharge count."""

    ledger: int
    remaining: int
    count: int


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something the operators are told about a meter."""

    position: Position
    at: int
    meter: int
    kind: str
    figures: Figures | None = None
    """Of an alarm `credit` alone."""
    frame: bytes = b""
    """Of a condition that the meter shows: the bytes that show it, verbatim. The core does not know them."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line that changed nothing; `meter` or `account` or neither is known by number."""

    position: Position
    at: int
    reason: str
    subject: str = ""
    """The id or address that the line named, as text."""


@dataclass(frozen=True, slots=True)
class AccountOpened:
    """Registry: the account's running number in its site, from 0 and without gaps."""

    position: Position
    at: int
    number: int
    account: str


@dataclass(frozen=True, slots=True)
class AccountClosed:
    """An account, by its number in its site, that is over."""

    position: Position
    at: int
    account: int


@dataclass(frozen=True, slots=True)
class MeterInstalled:
    """Registry: the meter's running number in its site, from 0 and without gaps."""

    position: Position
    at: int
    number: int
    meter: str
    account: int
    kind: str
    """electricity or water."""
    register: int
    ratio: int
    gateway: str = ""
    address: str = ""
    template: str = ""
    replaces: int | None = None
    digits: int = 0
    """Whole digits of the register, which wraps after them; 0 where it does not."""


@dataclass(frozen=True, slots=True)
class VersionTaken:
    """Registry: a tariff version's running number in its site, with everything needed to price by it."""

    position: Position
    at: int
    number: int
    tariff: str
    starts_at: int
    unit: str
    cycle: str
    tiers: tuple[int, ...]
    """Lower limits, Wh or litres."""
    bands: tuple[str, ...]
    components: tuple[str, ...]
    prices: tuple[tuple[tuple[int, ...], ...], ...]
    """[component][band][tier], nano-yuan per Wh or litre."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one settlement of a site gives out; every list is in the order of the input."""

    readings: NDArray[np.void] = field(default_factory=lambda: np.empty(0, READING))
    pieces: NDArray[np.void] = field(default_factory=lambda: np.empty(0, PIECE))
    entries: tuple[Entry, ...] = ()
    commands: tuple[Command, ...] = ()
    notices: tuple[Notice, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    closings: tuple[AccountClosed, ...] = ()
    accounts: tuple[AccountOpened, ...] = ()
    meters: tuple[MeterInstalled, ...] = ()
    versions: tuple[VersionTaken, ...] = ()
