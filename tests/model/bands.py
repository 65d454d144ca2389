"""Band registers: what a meter counted in each band (What the product adds, Band registers)."""

from dataclasses import dataclass, replace
from fractions import Fraction

from tests.model.meter import Device, Interval, Meter
from tests.model.refusal import refuse_if

MOST = 8
STRANGE = 1000
"""Thousandths of a unit, before the ratio."""
REST = ""
"""The band of what no register shows; no band is called so."""


def build_bands(given: dict[str, Fraction] | None, device: Device) -> dict[str, int] | None:
    """The registers that a new meter begins with.

    Raises:
        Refused: `invalid`.
    """
    if given is None:
        return None
    refuse_if(device.kind != "electricity" or not 1 <= len(given) <= MOST, "invalid")
    return {band: device.take_register(value) for band, value in given.items()}


def build_told(meter: Meter, given: dict[str, Fraction] | None, *, lacking: str) -> dict[str, int] | None:
    """What is told of a meter's band registers; None where nothing is to be told.

    Raises:
        Refused: `invalid`, or what `lacking` says where one is left out.
    """
    if meter.bands is None:
        return None
    named = given or {}
    refuse_if(any(band not in meter.bands for band in named), "invalid")
    told = {band: meter.device.take_register(value) for band, value in named.items()}
    refuse_if(len(told) < len(meter.bands), lacking)
    return told


@dataclass(frozen=True)
class Shared:
    """An interval by bands, with the registers up to which each band is charged after it."""

    intervals: list[Interval]
    charged: dict[str, int]
    is_strange: bool


def share_out(meter: Meter, interval: Interval, told: dict[str, int]) -> Shared:
    """Share an interval out: band by band what its register shows while there is any left, then the rest."""
    assert meter.bands is not None
    left = whole = interval.consumption // meter.device.ratio
    shown: dict[str, int] = {}
    fell = False
    for band, charged in meter.bands.items():
        shown[band] = told[band] - charged
        if shown[band] < 0 and meter.device.rolls_over(charged, told[band]):
            assert meter.device.wrap is not None
            shown[band] += meter.device.wrap
        if shown[band] < 0:
            fell, shown[band] = True, 0
    shares: dict[str, int] = {}
    after = dict(meter.bands)
    for band in meter.bands:
        shares[band] = min(shown[band], left)
        left -= shares[band]
        after[band] += shares[band]
        if meter.device.wrap is not None and after[band] >= meter.device.wrap:
            after[band] -= meter.device.wrap
    ahead = sum(shown.values()) - (whole - left)
    shares[REST] = left
    intervals = [
        replace(interval, consumption=share * meter.device.ratio, band=band) for band, share in shares.items() if share
    ]
    return Shared(intervals or [interval], after, fell or ahead > STRANGE)
