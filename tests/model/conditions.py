"""What a meter shows of itself, and when that is told: each condition when it comes, each event when it is counted."""

from dataclasses import dataclass, field

from tests.model.records import Reading

CONDITIONS = (
    "voltage_lost",
    "power_reversed",
    "cover_opened",
    "terminal_cover_opened",
    "magnetic_field",
    "clock_battery",
    "battery",
    "overload",
    "malignant_load",
)
EVENTS = ("cover_opened", "terminal_cover_opened", "magnetic_field")


@dataclass
class MeterConditions:
    """What a meter told last, and the time of the reading that changed it last."""

    there: frozenset[str] = frozenset()
    events: dict[str, int] = field(default_factory=dict)
    changed_at: int | None = None

    def risen(self, reading: Reading) -> list[str]:
        """Take a reading in; what has come or was counted since, in the order of `CONDITIONS`."""
        if self.changed_at is not None and reading.read_at <= self.changed_at:
            return []
        there = self.there if reading.conditions is None else frozenset(reading.conditions)
        events = {**self.events, **(reading.events or {})}
        if (there, events) == (self.there, self.events):
            return []
        risen = there - self.there
        risen |= {name for name, count in events.items() if name in self.events and count > self.events[name]}
        self.there, self.events, self.changed_at = there, events, reading.read_at
        return [name for name in CONDITIONS if name in risen]
