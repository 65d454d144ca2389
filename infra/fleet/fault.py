"""What can go wrong between a tenant and the collector; a fleet has those that it is told to have."""

from enum import StrEnum


class Fault(StrEnum):
    """One kind of fault, by its name in `SLUICE_FLEET_FAULTS`."""

    DROPPED = "dropped"
    """An answer never comes; an upload is lost on its way."""
    DELAYED = "delayed"
    """An answer comes when the next one is due."""
    DOUBLED = "doubled"
    """An answer or an upload comes twice."""
    REORDERED = "reordered"
    """An answer comes behind the next one; a later upload before an earlier one."""
    CORRUPTED = "corrupted"
    """One bit is wrong."""
    RESTARTED = "restarted"
    """The gateway hangs up and forgets what it held."""
    ROLLOVER = "rollover"
    """A meter's register begins anew behind its last digit."""
    ZERO = "zero"
    """A meter's register reads 0 for some minutes."""
    DRIFT = "drift"
    """Clocks of meters, and of gateways that tell the time of their readings, gain or lose."""
    SWAPPED = "swapped"
    """A meter is taken off and another one fitted."""
    AWAY = "away"
    """A gateway that uploads is away for hours or days, and then uploads what it stored."""


NO_FAULT: frozenset[Fault] = frozenset()
LINE_FAULTS = frozenset(
    {Fault.DROPPED, Fault.DELAYED, Fault.DOUBLED, Fault.REORDERED, Fault.CORRUPTED, Fault.RESTARTED}
)
"""Those of a line between a gateway and the collector."""
