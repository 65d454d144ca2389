"""One reading at a time, exactly: what it says of the meter, what is charged, and at which prices.

This is the plain form of the rules; `streams.core.fold` does the common cases of many readings together and comes
here for the rest. Tests hold the two against each other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from streams.core.bandregisters import register_difference
from streams.core.kept import BY_TIME, REST, Part
from streams.core.localtime import FAR_AHEAD_MS
from streams.core.meter import Meter
from streams.core.orders import NamedQuantities
from streams.core.outcome import Flag
from streams.core.tariff import Tariffs, TariffVersion
from streams.core.told import UNSOUND, UNTOLD

AHEAD_MS = 15 * 60_000
"""A reading further ahead of its arrival is refused `future`."""
HOUR_MS = 3_600_000
NO_FLAGS = Flag(0)


class Piece(NamedTuple):
    """A priced part of a consumption: one version, band and tier; quantity in Wh or litres, amount in nano-yuan."""

    version: int
    band: int
    tier: int
    start: int
    quantity: int
    amount: int


@dataclass(slots=True)
class Judgement:
    """What became of a reading: refused, or flagged, or charged in pieces."""

    refusal: str = ""
    flags: Flag = NO_FLAGS
    consumption: int = 0
    pieces: list[Piece] = field(default_factory=list)
    cell: Piece | None = None
    """The one cell that all of it lies in, where that is so; of a covered consumption of 0 the cell at its start."""
    alarms: list[str] = field(default_factory=list)

    @property
    def amount(self) -> int:
        return sum(piece.amount for piece in self.pieces)


def judge_reading(
    meter: Meter, tariffs: Tariffs, *, register: int, read_at: int, at: int, bands: Sequence[int] = ()
) -> Judgement:
    """Judge a reading of a known meter and charge what it shows (P18); changes `meter` and `priced_until`.

    Args:
        register: Wh or litres; below 0 where the text was finer or otherwise no register value.
        read_at: When the meter was read, ms.
        at: The line's time, ms.
        bands: Of a meter with band registers what they show, Wh, `UNTOLD` where the line does not tell.
    """
    if meter.closed:
        return Judgement(refusal="closed")
    told = _told_bands(meter, bands)
    if not 0 <= register < meter.wrap or not _are_sound(meter, told):
        return Judgement(refusal="invalid")
    if UNTOLD in told:
        # Nothing is lost by it: a later reading shows what was used in between, band by band.
        return Judgement(refusal="incomplete")
    if read_at > at + AHEAD_MS:
        return Judgement(refusal="future")
    if read_at <= meter.read_at:
        return Judgement(flags=_older(register, read_at, meter.register, meter.read_at))
    if meter.held is not None and read_at == meter.held[1]:
        return Judgement(flags=_older(register, read_at, *meter.held))
    judgement = Judgement()
    confirmed = _confirmed(meter, register, read_at)
    meter.held = None
    advance = confirmed or _advance(meter, register)
    if advance is None:
        judgement.flags |= Flag.BACKWARDS
        judgement.alarms.append("backwards")
        return judgement
    consumption, rollover = advance
    if not confirmed and _above(meter, consumption, read_at - meter.read_at):
        meter.held = (register, read_at)
        judgement.flags |= Flag.IMPLAUSIBLE
        judgement.alarms.append("implausible")
        return judgement
    charge(meter, tariffs, judgement, consumption=consumption, rollover=rollover, until=read_at, bands=told)
    meter.register = register
    return judgement


def is_newer(meter: Meter, read_at: int) -> bool:
    """Whether a reading is newer than what is known of its meter, so that it says something about its state (P27).

    To be asked before it is judged. One of the time of the held reading is not: it is that one again.
    """
    return read_at > meter.read_at and (meter.held is None or read_at != meter.held[1])


def judge_final(
    meter: Meter, tariffs: Tariffs, *, register: int, at: int, bands: Sequence[int] = ()
) -> Judgement | None:
    """Charge a final register, true by decree (P21); None, with nothing changed, where it is `invalid`.

    Args:
        register, at: As in `judge_reading`.
        bands: Final band registers, all or none; without them the last consumption is shared out by time.
    """
    advance = _advance(meter, register) if 0 <= register < meter.wrap else None
    if advance is None or not _are_sound(meter, bands) or UNTOLD in bands:
        return None
    judgement = Judgement(flags=Flag.FINAL)
    meter.held = None
    consumption, rollover = advance
    until = max(at, meter.read_at)
    charge(meter, tariffs, judgement, consumption=consumption, rollover=rollover, until=until, bands=bands)
    meter.register = register
    return judgement


def final_bands(meter: Meter, given: NamedQuantities | None) -> tuple[int, ...]:
    """What an order tells of the final band registers, as `judge_final` takes it."""
    if given is None:
        return ()
    return (UNSOUND,) if meter.bands is None else meter.bands.in_places(dict(given))


def _told_bands(meter: Meter, bands: Sequence[int]) -> Sequence[int]:
    """What is told of the meter's own band registers; nothing counts for a meter that has none."""
    if meter.bands is None:
        return ()
    count = len(meter.bands.names)
    return tuple(bands[:count]) or (UNTOLD,) * count


def _are_sound(meter: Meter, bands: Sequence[int]) -> bool:
    return all(band == UNTOLD or 0 <= band < meter.wrap for band in bands)


def charge(
    meter: Meter,
    tariffs: Tariffs,
    judgement: Judgement,
    *,
    consumption: int,
    rollover: bool,
    until: int,
    bands: Sequence[int] = (),
) -> None:
    """Charge the interval from the accepted reading to `until`, and accept that time."""
    if rollover:
        judgement.flags |= Flag.ROLLOVER
    judgement.consumption = consumption
    whole = Part(meter.read_at, until, consumption, meter.read_at, until)
    pieces: list[Piece] = []
    kept: list[Part] = []
    for part in _by_bands(meter, whole, bands, judgement) if bands else [whole]:
        priced, unpriced = price_part(meter, tariffs, part)
        for piece in priced:
            _append(pieces, piece)
        kept += unpriced
    meter.read_at = until
    meter.parts += tuple(kept)
    judgement.pieces = [piece for piece in pieces if piece.quantity]
    if any(part.quantity for part in kept):
        judgement.flags |= Flag.UNPRICED
        judgement.alarms.append("unpriced")
    elif not kept and (len(judgement.pieces) == 1 or not consumption):
        judgement.cell = (judgement.pieces or pieces)[0]


def _by_bands(meter: Meter, whole: Part, told: Sequence[int], judgement: Judgement) -> list[Part]:
    """Share an interval out as the meter's band registers say, in their order, the rest last."""
    assert meter.bands is not None
    shares = meter.bands.share_out(whole.consumption // meter.ratio, told, digits=meter.digits, wrap=meter.wrap)
    meter.bands = shares.after
    if shares.strange:
        judgement.alarms.append("bands")
    of_bands = [*enumerate(shares.of_bands), (REST, shares.rest)]
    parts = [whole._replace(consumption=share * meter.ratio, band=band) for band, share in of_bands if share]
    # Of nothing there is one part, too: what it covers counts as priced.
    return parts or [whole]


def price_part(
    meter: Meter, tariffs: Tariffs, part: Part, followers: Sequence[Meter] = ()
) -> tuple[list[Piece], list[Part]]:
    """Price a part as far as tariffs in force cover it: the pieces in time order, and the parts that stay.

    Args:
        meter: Whose part it is; its tariffs hold and its position in the tiers counts.
        followers: Meters that have its seat after it, for which what it is priced for counts too.
    """
    pieces: list[Piece] = []
    kept: list[Part] = []
    for segment in _segments(meter, tariffs, part):
        if segment.version is None:
            if kept and kept[-1].end == segment.start and part.t0 != part.t1:
                kept[-1] = kept[-1]._replace(end=segment.end)
            else:
                kept.append(part._replace(start=segment.start, end=segment.end))
            continue
        tariffs.priced(segment.version.tariff, segment.end)
        band = _band_of(meter, part, segment.version, segment.start, tariffs)
        _price_segment(meter, segment.version, band, segment.start, segment.quantity, pieces)
        for follower in followers:
            follower.positions.add(segment.start, segment.quantity)
    return pieces, kept


def _band_of(meter: Meter, part: Part, version: TariffVersion, start: int, tariffs: Tariffs) -> int:
    """The code of a segment's band: that of its register, where the version knows its name."""
    if part.band == BY_TIME:
        return version.band_at(start, tariffs.calendar)
    if part.band == REST or meter.bands is None:
        return version.rest_band
    return version.band_codes.get(meter.bands.names[part.band], version.rest_band)


class _Segment(NamedTuple):
    start: int
    end: int
    quantity: int
    version: TariffVersion | None


def _segments(meter: Meter, tariffs: Tariffs, part: Part) -> Iterator[_Segment]:
    """Cut a part at every boundary inside it; an empty interval is one segment."""
    start = part.start
    done = part.upto(start) if part.t0 != part.t1 else 0
    while True:
        number, end = meter.tariff_at(start)
        version = None
        if number >= 0:
            version, next_version = tariffs[number].in_force(start)
            end = min(end, next_version)
        if version is not None:
            end = min(end, version.next_boundary(start, tariffs.calendar))
        end = min(end, part.end)
        upto = part.upto(end)
        yield _Segment(start, end, upto - done, version)
        if end >= part.end:
            return
        start, done = end, upto


def _price_segment(
    meter: Meter, version: TariffVersion, band: int, start: int, quantity: int, pieces: list[Piece]
) -> None:
    """Price a segment from its position on, block by block."""
    position = meter.positions.at(version.cycle, start)
    end = position + quantity
    tier = version.tier_at(position)
    meter.positions.add(start, quantity)
    while True:
        limit = version.tiers[tier + 1] if tier + 1 < len(version.tiers) else FAR_AHEAD_MS
        inside = min(end, limit) - position if limit < FAR_AHEAD_MS else end - position
        amount = inside * version.price[band][tier]
        _append(pieces, Piece(version.number, band, tier, start, inside, amount))
        position += inside
        if position >= end:
            return
        tier += 1


def _append(pieces: list[Piece], piece: Piece) -> None:
    """Add a piece in time order: it joins the last one of the same cell; one of nothing only holds the first place."""
    last = pieces[-1] if pieces else None
    if last is None or not last.quantity:
        pieces[:] = [piece if piece.quantity or last is None else last]
    elif piece[:3] == last[:3]:
        pieces[-1] = last._replace(quantity=last.quantity + piece.quantity, amount=last.amount + piece.amount)
    elif piece.quantity:
        pieces.append(piece)


def _older(register: int, read_at: int, accepted: int, accepted_at: int) -> Flag:
    if read_at < accepted_at:
        return Flag.LATE
    return Flag.DUPLICATE if register == accepted else Flag.CONFLICT


def _advance(meter: Meter, register: int) -> tuple[int, bool] | None:
    """Consumption since the accepted register and whether it rolled over; None where it runs backwards."""
    advance = register_difference(meter.register, register, digits=meter.digits, wrap=meter.wrap)
    return None if advance is None else (advance[0] * meter.ratio, advance[1])


def _confirmed(meter: Meter, register: int, read_at: int) -> tuple[int, bool] | None:
    """The whole consumption since the accepted reading, if this one confirms the held one (P20)."""
    if meter.held is None or read_at <= meter.held[1] or register < meter.held[0]:
        return None
    since = (register - meter.held[0]) * meter.ratio
    held = _advance(meter, meter.held[0])
    if held is None or _above(meter, since, read_at - meter.held[1]):
        return None
    return held[0] + since, held[1]


def _above(meter: Meter, consumption: int, interval_ms: int) -> bool:
    """Whether a consumption is more than the meter's greatest plausible one over the interval."""
    return bool(meter.max_rate) and consumption * HOUR_MS > meter.max_rate * interval_ms
