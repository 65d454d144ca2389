"""All meters of the property group together, at the virtual time of a clock."""

from dataclasses import dataclass
from typing import Protocol

from infra.fleet.errors import FleetError
from infra.fleet.journal import ControlJournal
from infra.fleet.meter import Control, Meter
from infra.fleet.property import Property


class Clock(Protocol):
    """Tells the virtual time."""

    def now_ms(self) -> int: ...


@dataclass(frozen=True, slots=True)
class MeterTruth:
    """What is true of a meter at one virtual time, whatever its frames say.

    Attributes:
        register_wh: The register to the Wh.
        shown_wh: The register as frames carry it, in steps of 10 Wh.
        counted_wh: What is to be paid of it by then: what went through it, in steps of its display, by its ratio.
        relay: `open` or `closed`; open too of a meter that hangs nowhere.
        is_away: It hangs nowhere: not fitted yet, or taken off.
        opened_at_ms: Since when the relay is open; None while it is closed.
        power_w: What is drawn now.
    """

    meter: str
    account: str
    site: str
    gateway: str
    at_ms: int
    register_wh: int
    shown_wh: int
    counted_wh: int
    relay: str
    is_away: bool
    opened_at_ms: int | None
    power_w: int


class Fleet:
    """The meters by id, with a history that the journal keeps."""

    def __init__(self, group: Property, *, clock: Clock, journal: ControlJournal) -> None:
        """Set the meters up as the journal left them.

        Raises:
            FleetError: The journal is damaged or of another property group.
        """
        self.group = group
        self.meters = {spec.meter: Meter(spec) for spec in group.meters}
        self._clock = clock
        self._journal = journal
        for meter, change in journal.replay():
            if meter not in self.meters:
                raise FleetError(f"the fleet's journal names meter {meter}, which the property group lacks")
            self.meters[meter].apply(change)

    def now_ms(self) -> int:
        """Give the virtual time."""
        return self._clock.now_ms()

    def there(self) -> frozenset[str]:
        """Give the meters that hang on their lines now."""
        return frozenset(name for name, meter in self.meters.items() if not meter.control.is_away)

    def set_control(self, meter: Meter, control: Control) -> None:
        """Put a control in force now: kept first, so that what a gateway has answered is never forgotten."""
        change = meter.change_to(control, at_ms=self.now_ms())
        if change is not None:
            self._journal.append(meter.spec.meter, change)
            meter.apply(change)

    def register_wh(self, meter: str, at_ms: int) -> int:
        """Give a meter's true register at any time, in Wh; KeyError for an unknown meter."""
        return self.meters[meter].register_wh(at_ms)

    def truth(self, meter: str, at_ms: int | None = None) -> MeterTruth:
        """Tell what is true of a meter, now or at `at_ms`; KeyError for an unknown meter."""
        found = self.meters[meter]
        when = self.now_ms() if at_ms is None else at_ms
        return MeterTruth(
            meter=meter,
            account=found.spec.account,
            site=found.spec.site,
            gateway=found.spec.gateway,
            at_ms=when,
            register_wh=found.register_wh(when),
            shown_wh=found.shown_wh(when),
            counted_wh=found.counted_wh(when),
            relay="open" if found.is_open(when) else "closed",
            is_away=found.is_away(when),
            opened_at_ms=found.opened_at_ms(when),
            power_w=found.power_mw(when) * found.spec.ratio // 1000,
        )
