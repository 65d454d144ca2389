"""Meters of a site: what the ledger knows of each, in pages for the fold and as one value for the exact slow path.

A *seat* is the place that a meter and its replacements hold one after another. A replacement begins at the position in
the tiers that the meter before it came to; what of that one is priced late counts for all that followed it.
"""

from dataclasses import dataclass, field, replace
from enum import IntEnum, IntFlag
from typing import NamedTuple

import numpy as np

from streams.core.bandregisters import BandRegisters
from streams.core.growing import GrowingRows
from streams.core.kept import Part
from streams.core.localtime import FAR_AHEAD_MS, LONG_AGO_MS, month_of
from streams.core.meterinfo import MeterInfo
from streams.core.routes import Routes
from streams.core.units import REGISTER_LIMIT

METER = np.dtype(
    [
        ("register", "<i8"),
        ("read_at", "<i8"),
        ("priced", "<i8"),
    ]
)
"""What every reading changes: the last accepted register (Wh or litres), its time (ms), and how much of the seat's
consumption was ever priced."""

SETUP = np.dtype(
    [
        ("account", "<i4"),
        ("seat", "<i4"),
        ("replaced_by", "<i4"),
        ("tariff", "<i4"),
        ("tariff_since", "<i8"),
        ("ratio", "<i4"),
        ("sequence", "<u4"),
        ("wrap", "<i8"),
        ("max_rate", "<i8"),
        ("held_register", "<i8"),
        ("held_at", "<i8"),
        ("installed_at", "<i8"),
        ("last_at", "<i8"),
        ("month_base", "<i8"),
        ("year_base", "<i8"),
        ("month", "<i4"),
        ("kind", "u1"),
        ("digits", "u1"),
        ("care", "u1"),
        ("off", "u1"),
        ("retained", "u1"),
        ("manual", "u1"),
        ("last_action", "u1"),
        ("last_reason", "u1"),
    ]
)
"""What orders and rare events change. `seat` is the number of the seat's first meter, `wrap` where the register
ends (Wh or litres), `max_rate` the greatest plausible W or litres per hour (0: none), `off` the desired supply,
`last_*` the last command; `month` that of the latest priced segment, counted from year 0, and `month_base`,
`year_base` what had been priced when that month and its year began."""


class Care(IntFlag):
    """Why a meter's readings leave the compiled fold."""

    CLOSED = 1
    HELD = 2
    PARTS = 4
    CREDIT = 8
    """It holds its credit itself, which its readings tell of."""
    BANDS = 16
    """It has band registers, which its readings tell of."""
    BEHIND = 32
    """Its seat was priced into a later month than the site's, by a clock that was ahead: positions of earlier months
    are kept until the site is there, since a meter that takes the seat before begins in the site's month."""


# The same as plain numbers: a flag's own operators cost more than judging a reading.
_CLOSED, _HELD, _PARTS, _CREDIT, _BANDS, _BEHIND = (int(care) for care in Care)


class Kind(IntEnum):
    ELECTRICITY = 0
    WATER = 1


class Action(IntEnum):
    """The last command of a meter; NONE before the first."""

    NONE = 0
    CUT = 1
    RESTORE = 2


class Reason(IntEnum):
    """Why a command went out."""

    NONE = 0
    ARREARS = 1
    RECHARGE = 2
    MANUAL = 3
    RETAIN = 4
    CLOSED = 5


@dataclass(slots=True)
class Positions:
    """How much of a meter, with those it replaced, was priced so far: by month, by year, ever.

    Each segment counts where it starts.
    """

    months: dict[int, int] = field(default_factory=dict)
    years: dict[int, int] = field(default_factory=dict)
    total: int = 0

    def at(self, cycle: str, start: int) -> int:
        """The position of a segment that starts then, in its own cycle."""
        if cycle == "none":
            return self.total
        month = month_of(start)
        return self.months.get(month, 0) if cycle == "month" else self.years.get(month // 12, 0)

    def add(self, start: int, quantity: int) -> None:
        """Count a priced segment."""
        if quantity:
            month = month_of(start)
            self.months[month] = self.months.get(month, 0) + quantity
            self.years[month // 12] = self.years.get(month // 12, 0) + quantity
            self.total += quantity


@dataclass(slots=True)
class Meter:
    """One meter as plain numbers, for the slow path; `Meters.load` makes it, `Meters.store` writes it back."""

    number: int
    account: int
    ratio: int
    digits: int
    wrap: int
    max_rate: int
    register: int
    read_at: int
    closed: bool
    held: tuple[int, int] | None
    positions: Positions
    assignments: tuple[tuple[int, int], ...]
    parts: tuple[Part, ...]
    bands: BandRegisters | None

    def tariff_at(self, at: int) -> tuple[int, int]:
        """The number of the tariff that the meter has at an instant (-1: none), and when the next one begins."""
        tariff, until = -1, FAR_AHEAD_MS
        for index, (since, assigned) in enumerate(self.assignments):
            if index and since > at:
                return tariff, since
            tariff = assigned
        return tariff, until


class _SetupRow(NamedTuple):
    """A row of `SETUP` as plain numbers."""

    account: int
    seat: int
    replaced_by: int
    tariff: int
    tariff_since: int
    ratio: int
    sequence: int
    wrap: int
    max_rate: int
    held_register: int
    held_at: int
    installed_at: int
    last_at: int
    month_base: int
    year_base: int
    month: int
    kind: int
    digits: int
    care: int
    off: int
    retained: int
    manual: int
    last_action: int
    last_reason: int


class Meters:
    """The meters of one site, by running number."""

    def __init__(self) -> None:
        self.hot = GrowingRows(METER)
        self.setup = GrowingRows(SETUP)
        self.infos: list[MeterInfo] = []
        self.by_id: dict[str, int] = {}
        self.dirty_infos: set[int] = set()
        self._seated: dict[int, list[int]] = {}
        self.routes = Routes()

    def add(self, info: MeterInfo) -> int:
        """A further meter; its rows are zeroed and for the caller to fill."""
        number = self.hot.append()
        self.setup.append()
        self.infos.append(info)
        self.by_id[info.meter] = number
        self.routes.put(info.gateway, info.address, number)
        self.dirty_infos.add(number)
        return number

    def load(self, number: int) -> Meter:
        """The meter as one value."""
        # One look at each row: reading its fields one by one would cost more than judging the reading.
        setup = _SetupRow._make(self.setup.rows[number].item())
        register, read_at, total = self.hot.rows[number].item()
        info, care = self.infos[number], setup.care
        if info.months:
            positions = Positions(dict(info.months), dict(info.years), total)
        else:
            month = setup.month
            positions = Positions({month: total - setup.month_base}, {month // 12: total - setup.year_base}, total)
        return Meter(
            number=number,
            account=setup.account,
            ratio=setup.ratio,
            digits=setup.digits,
            wrap=setup.wrap,
            max_rate=setup.max_rate,
            register=register,
            read_at=read_at,
            closed=care & _CLOSED != 0,
            held=(setup.held_register, setup.held_at) if care & _HELD else None,
            positions=positions,
            assignments=info.assignments,
            parts=info.parts,
            bands=info.bands,
        )

    def store(self, meter: Meter, *, at: int) -> None:
        """Write the slow path's changes back, at the site's time: readings, held, positions, parts, closed."""
        number, info = meter.number, self.infos[meter.number]
        positions = meter.positions
        self.hot.rows[number] = (meter.register, meter.read_at, positions.total)
        self.hot.touch(number)
        month = max(positions.months)
        behind = month_of(min(at, meter.read_at)) < month
        held_register, held_at = meter.held or (0, 0)
        row = self.setup.rows[number]
        was = _SetupRow._make(row.item())
        care = _CLOSED * meter.closed | _HELD * (meter.held is not None) | _PARTS * bool(meter.parts)
        care |= was.care & _CREDIT | _BANDS * (meter.bands is not None) | _BEHIND * behind
        now = was._replace(
            care=care,
            held_register=held_register,
            held_at=held_at,
            month=month,
            month_base=positions.total - positions.months[month],
            year_base=positions.total - positions.years[month // 12],
        )
        if now != was:
            self.setup.rows[number] = now
            self.setup.touch(number)
        if meter.parts or behind or info.months:
            info.keep(meter.parts, positions.months, positions.years, all_positions=bool(meter.parts) or behind)
            self.dirty_infos.add(number)
        if meter.bands != info.bands:
            info.bands = meter.bands
            self.dirty_infos.add(number)
        if meter.closed:
            self.routes.remove(info.gateway, info.address, number)

    def assign(self, number: int, tariff: int, at: int) -> None:
        """Give the meter a tariff from `at` on; its first holds from the installation."""
        info = self.infos[number]
        info.assignments = (*info.assignments, (at, tariff))
        self.dirty_infos.add(number)
        self.note_tariff(number)

    def note_tariff(self, number: int) -> None:
        """Bring the compiled fold's view of a meter's present tariff up to date."""
        assignments, setup = self.infos[number].assignments, self.setup.rows[number]
        setup["tariff"] = assignments[-1][1] if assignments else -1
        setup["tariff_since"] = assignments[-1][0] if len(assignments) > 1 else LONG_AGO_MS
        self.setup.touch(number)

    def seated(self, account: int) -> list[int]:
        """The meters now in an account's seats, in the order of installation."""
        return self._seated.get(account, [])

    def followers(self, number: int) -> list[int]:
        """The meters that took a meter's seat after it, in their order."""
        found: list[int] = []
        while (number := int(self.setup.rows[number]["replaced_by"])) >= 0:
            found.append(number)
        return found

    def seat(self, number: int, *, account: int, replaces: int | None) -> None:
        """Put a new meter into a new seat of an account, or into that of the meter that it replaces."""
        setup, seats = self.setup.rows[number], self._seated.setdefault(account, [])
        setup["account"] = account
        setup["seat"] = number if replaces is None else self.setup.rows[replaces]["seat"]
        setup["replaced_by"] = -1
        if replaces is None:
            seats.append(number)
        else:
            seats[seats.index(replaces)] = number
            self.setup.rows[replaces]["replaced_by"] = number
            self.setup.touch(replaces)
        self.setup.touch(number)

    def recall(self) -> None:
        """Find again what is derived, after pages were read back."""
        setup = self.setup.rows
        self.by_id = {info.meter: number for number, info in enumerate(self.infos)}
        self._seated = {}
        for number in np.lexsort((setup["seat"], setup["account"])).tolist():
            if setup[number]["replaced_by"] < 0:
                self._seated.setdefault(int(setup[number]["account"]), []).append(number)
        for number, info in enumerate(self.infos):
            if not setup[number]["care"] & Care.CLOSED:
                self.routes.put(info.gateway, info.address, number)


def register_end(digits: int) -> int:
    """Where a register with so many whole digits wraps; the language's limit where the digits are not given."""
    return int(10**digits * 1_000) if digits else REGISTER_LIMIT


def copy_of(meter: Meter) -> Meter:
    """A copy whose positions are its own."""
    positions = meter.positions
    return replace(meter, positions=Positions(dict(positions.months), dict(positions.years), positions.total))
