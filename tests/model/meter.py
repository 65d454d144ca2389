"""A meter: what it was accepted at, what is held, what it consumed, and what its supply should be."""

from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Self

from tests.model import refusal
from tests.model.conditions import MeterConditions
from tests.model.credit import MeterCredit
from tests.model.records import InstallMeter, ReplaceMeter
from tests.model.refusal import refuse_if
from tests.model.tariff import CycleKey
from tests.model.texts import HOUR


@dataclass(frozen=True)
class Device:
    """What the nameplate says, and the register at installation."""

    kind: str
    register: int
    ratio: int
    wrap: int | None
    """The register value after the last one, Wh or litres; None when it never rolls over."""
    limit: int | None
    """The most that it can consume, Wh or litres an hour, after the ratio."""

    def take_register(self, value: Fraction) -> int:
        """Wh or litres of a register value.

        Raises:
            Refused: `invalid`, when this device cannot show it.
        """
        register = refusal.quantity(value)
        refuse_if(register < 0, "invalid")
        refuse_if(self.wrap is not None and register >= self.wrap, "invalid")
        return register

    def is_plausible(self, consumption: int, duration: int) -> bool:
        """Whether it can have consumed as much in so many milliseconds; exactly the limit is plausible."""
        return self.limit is None or consumption * HOUR <= self.limit * duration

    def rolls_over(self, last: int, new: int) -> bool:
        """Whether a lower register is a rollover: from the last tenth of its range to the first."""
        return self.wrap is not None and last * 10 >= self.wrap * 9 and new * 10 <= self.wrap


def build_device(order: InstallMeter | ReplaceMeter, kind: str, old: Device | None = None) -> Device:
    """Make a device of an order; what it leaves out is as in the old device, if it replaces one.

    Raises:
        Refused: `invalid`, for a reason of P6.
    """
    ratio = order.ratio if order.ratio is not None or old is None else old.ratio
    assert ratio is not None
    refuse_if(not 1 <= ratio <= 100_000, "invalid")
    refuse_if(order.digits is not None and not 1 <= order.digits <= 9, "invalid")
    own, other = (order.max_kw, order.max_m3h) if kind == "electricity" else (order.max_m3h, order.max_kw)
    refuse_if(other is not None, "invalid")
    limit = (old.limit if old else None) if own is None else refusal.quantity(own)
    refuse_if(limit is not None and limit <= 0, "invalid")
    wrap = (old.wrap if old else None) if order.digits is None else 10**order.digits * 1000
    device = Device(kind, 0, ratio, wrap, limit)
    return Device(kind, device.take_register(order.register), ratio, wrap, limit)


@dataclass(frozen=True)
class Held:
    """An implausible reading that waits for the next one; `consumption` counts from the accepted value."""

    register: int
    time: int
    consumption: int
    is_rollover: bool


@dataclass(frozen=True)
class Interval:
    """Consumption over a time, with the parts of that time that no tariff has priced yet."""

    start: int
    end: int
    consumption: int
    open_parts: tuple[tuple[int, int], ...]
    band: str | None = None
    """The band of all of it, by a register of its own; None where the time of the day says it."""

    @classmethod
    def unpriced_over(cls, start: int, end: int, consumption: int) -> Self:
        """An interval of which nothing is priced yet."""
        return cls(start, end, consumption, ((start, end),))

    def consumption_until(self, boundary: int) -> int:
        """What was consumed up to a boundary inside: always the floor over the whole interval."""
        if boundary == self.end:
            return self.consumption
        return self.consumption * (boundary - self.start) // (self.end - self.start)

    def consumption_of(self, start: int, end: int) -> int:
        """What was consumed in a part; an empty interval is one part that has it all."""
        if self.start == self.end:
            return self.consumption
        return self.consumption_until(end) - self.consumption_until(start)

    def unpriced(self) -> int:
        """What was consumed in the parts that are still open."""
        return sum(self.consumption_of(start, end) for start, end in self.open_parts)


@dataclass(frozen=True)
class Command:
    """The last command that went out for a meter."""

    at: int
    action: str
    reason: str


@dataclass
class Meter:
    """A meter, in use or replaced."""

    meter_id: str
    account_id: str
    device: Device
    installed_at: int
    register: int
    """The accepted register, and when the meter showed it:"""
    accepted_at: int
    replaces: "Meter | None" = None
    is_replaced: bool = False
    held: Held | None = None
    open_intervals: list[Interval] = field(default_factory=list)
    flags: Counter[str] = field(default_factory=Counter)

    consumption: int = 0
    amount: int = 0
    by_band: Counter[str] = field(default_factory=Counter)
    by_tier: Counter[int] = field(default_factory=Counter)
    by_component: Counter[str] = field(default_factory=Counter)
    by_cycle: Counter[CycleKey] = field(default_factory=Counter)
    """What this meter alone was priced for, by the month, the year and for ever, each segment at its start."""

    credit: MeterCredit | None = None
    """Where the meter holds its credit itself."""
    conditions: MeterConditions = field(default_factory=MeterConditions)
    bands: dict[str, int] | None = None
    """Its band registers, up to where each band was charged."""

    desired: str = "on"
    is_manual: bool = False
    is_retained: bool = False
    last_command: Command | None = None

    def position(self, cycle: CycleKey) -> int:
        """What this meter and those it replaced were priced for in a cycle."""
        before = self.replaces.position(cycle) if self.replaces else 0
        return before + self.by_cycle[cycle]

    def unpriced(self) -> int:
        """What it consumed and no tariff has priced yet."""
        return sum(interval.unpriced() for interval in self.open_intervals)
