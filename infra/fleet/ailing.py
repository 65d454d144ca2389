"""Which meters of a group have which faults, drawn from its seed."""

from dataclasses import replace

from infra.fleet.fault import Fault
from infra.fleet.meter import DISPLAY_STEP_WH, MeterSpec
from infra.fleet.meter_faults import MeterFaults
from infra.fleet.property import Link, PropertySize, Swap
from infra.fleet.seeded import Seeded, key_of

DIGITS = 6
"""Of every meter's display; what is said of it to the ledger, where a register may begin anew."""
_ROLLOVER_SHARE = 5
_ZERO_SHARE = 4
_SWAP_SHARE = 6
"""One meter in so many has the fault."""
_PPM_MAX = 200
"""A poor clock gains or loses 17 s a day."""
_WRONG_MS_MAX = 240_000
"""And is so wrong at first: within what a broadcast sets right."""
_FIRST_SWAP_MINUTES = 60
_LAST_SWAP_MINUTES = 24 * 60
_SPARE_WH_MAX = 5_000
"""What a new meter has counted in the works."""
_SUCCESSOR_ADDRESS = 5_000
"""A meter's own number is another one; only a Modbus unit is set to that of the old one."""


def digits_of(size: PropertySize, link: Link) -> int | None:
    """The whole digits behind which a meter's register begins anew; None if it will not get there."""
    return None if link is Link.MODBUS_TCP and Fault.ROLLOVER not in size.faults else DIGITS


def initial_wh_of(size: PropertySize, meter: str, drawn_wh: int, *, digits: int | None, a_day_wh: int) -> int:
    """What a meter's register begins with: what was drawn, or so little before its end that it begins anew that day."""
    draw = Seeded(size.seed, "rollover", meter)
    if digits is None or Fault.ROLLOVER not in size.faults or draw.below(_ROLLOVER_SHARE):
        return drawn_wh
    wrap_wh: int = 1000 * 10**digits
    return wrap_wh - DISPLAY_STEP_WH - draw.below(max(1, a_day_wh // 2))


def faults_of(
    size: PropertySize, meter: str, *, initial_wh: int, digits: int | None, still_ms: int | None
) -> MeterFaults:
    """What is wrong with a meter."""
    draw = Seeded(size.seed, "ailing", meter)
    # A zero of a meter about to begin anew would be taken for just that.
    may_be_zero = digits is None or initial_wh < 1000 * 10**digits // 2
    has_zeros = Fault.ZERO in size.faults and may_be_zero and not draw.below(_ZERO_SHARE)
    drifts = Fault.DRIFT in size.faults
    return MeterFaults(
        zero_key=key_of(size.seed, "zero", meter) if has_zeros else None,
        zero_until_ms=still_ms,
        clock_ppm=draw.between(-_PPM_MAX, _PPM_MAX) if drifts else 0,
        clock_wrong_ms=draw.between(-_WRONG_MS_MAX, _WRONG_MS_MAX) if drifts else 0,
    )


def swap_of(size: PropertySize, spec: MeterSpec) -> tuple[Swap, MeterSpec] | None:
    """When a meter is taken off, and the one that comes in its place; None if it stays."""
    draw = Seeded(size.seed, "swap", spec.meter)
    if Fault.SWAPPED not in size.faults or draw.below(_SWAP_SHARE):
        return None
    last = min(_LAST_SWAP_MINUTES, size.hours * 60 // 2) if size.hours else _LAST_SWAP_MINUTES
    at_ms = spec.installed_at_ms + draw.between(min(_FIRST_SWAP_MINUTES, last), last) * 60_000
    own_number = len(spec.address) > len("247")
    successor = replace(
        spec,
        meter=f"{spec.meter}-2",
        address=f"{int(spec.address) + _SUCCESSOR_ADDRESS:0{len(spec.address)}d}" if own_number else spec.address,
        initial_wh=draw.below(_SPARE_WH_MAX // DISPLAY_STEP_WH) * DISPLAY_STEP_WH,
        is_spare=True,
        faults=replace(spec.faults, zero_key=None),
    )
    return Swap(at_ms, spec.meter, successor.meter), successor
