"""One reading or final register taken by the plain rules and written down: rows, alarms, the deduction."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.core.books import Books
from streams.core.consumption import Judgement, Piece, is_newer, judge_reading, price_part
from streams.core.crediting import mirror
from streams.core.kept import Part
from streams.core.line import Line
from streams.core.meter import Meter
from streams.core.outcome import NO_CELL, NO_VERSION, PIECE, READING, Flag, Supply
from streams.core.told import Told

NO_PIECES = np.empty(0, PIECE)


_NOTHING_TOLD = Told()


def take_reading(
    line: Line, number: int, *, register: int, read_at: int, supply: int, told: Told = _NOTHING_TOLD
) -> bool:
    """Judge a reading of the meter with this running number (-1: unknown) and post what it shows.

    Returns:
        Whether it is newer than what was known of the meter, also where it was refused.
    """
    if number < 0:
        line.refuse("unknown")
        return False
    books = line.books
    meter = books.meters.load(number)
    credit = books.credits.get(number)
    if credit is not None and not told.is_credit_sound:
        register = -1  # No part of a reading counts of which another part cannot be.
    newer = is_newer(meter, read_at)
    priced_until = books.tariffs.priced_until.copy()
    judgement = judge_reading(meter, books.tariffs, register=register, read_at=read_at, at=line.at, bands=told.bands)
    reason = judgement.refusal
    sale = credit.taken_at(told.count) if credit is not None and newer else None
    after = (sale.amount if sale is not None else 0) - judgement.amount
    if not reason and not (line.fits(meter.account, -judgement.amount) and line.fits(meter.account, after)):
        # What the meter shows cannot be charged: nothing of it is kept, so that nothing is lost unseen.
        reason = "invalid"
        books.tariffs.priced_until = priced_until
    if reason:
        line.refuse(reason, books.meters.infos[number].meter)
        return newer
    books.meters.store(meter, at=line.at)
    write_down(line, meter, judgement, register=register, read_at=read_at, supply=supply)
    if newer:
        line.report(number, supply)
        if credit is not None:
            mirror(line, number, told)
    return newer


def write_down(
    line: Line,
    meter: Meter,
    judgement: Judgement,
    *,
    register: int,
    read_at: int,
    supply: int = Supply.UNKNOWN,
) -> None:
    """Give out a judgement's alarms and rows, and deduct its amount."""
    for kind in judgement.alarms:
        line.alarm(meter.number, kind)
    balance = line.deduct(meter.account, judgement.amount)
    line.rows += 1
    cell = judgement.cell
    row = np.zeros(1, READING)
    position = line.position
    row[0] = (
        position.offset,
        position.line + line.rows - 1,
        position.source,
        supply,
        judgement.flags,
        meter.number,
        meter.account,
        line.at,
        read_at,
        register,
        judgement.consumption,
        judgement.amount,
        balance,
        NO_VERSION if cell is None else cell.version,
        NO_CELL if cell is None else cell.band,
        NO_CELL if cell is None else cell.tier,
    )
    pieces = NO_PIECES if cell is not None else piece_rows(judgement.pieces, reading=0)
    line.books.journal.add_readings(row, pieces)


def piece_rows(pieces: Sequence[Piece], *, reading: int) -> NDArray[np.void]:
    """Pieces as rows of the reading with this index."""
    rows = np.empty(len(pieces), PIECE)
    for row, piece in enumerate(pieces):
        version, band, tier, start, quantity, amount = piece
        rows[row] = (reading, version, band, tier, start, quantity, amount)
    return rows


@dataclass(frozen=True, slots=True)
class LatePricing:
    """What a tariff that came late makes of a meter: as it is then, and the pieces that are priced now."""

    meter: Meter
    pieces: list[Piece]


def plan_kept_parts(books: Books, tariff: int, *, meter: int | None = None) -> list[LatePricing]:
    """Price again, in time order, what found no tariff in force; changes nothing but `priced_until`.

    Only a change of its tariffs, or of a version of one of them, can cover what is kept of a meter.

    Args:
        tariff: The one that has a new version; with `meter` the one that this meter was given.

    The order is that of the intervals that the parts are of. A part counts for the meters that took its meter's seat;
    an interval of theirs that begins earlier, because the clock of the replaced meter was ahead, is priced before it.
    """
    meters = books.meters
    touched: dict[int, LatePricing] = {}
    kept: list[tuple[int, Part]] = []
    followers: dict[int, list[Meter]] = {}

    def late(number: int) -> LatePricing:
        return touched.setdefault(number, LatePricing(meters.load(number), []))

    for number in range(len(meters.infos)) if meter is None else [meter]:
        info, account = meters.infos[number], int(meters.setup.rows[number]["account"])
        if not info.parts or books.accounts.infos[account].closed:
            continue
        if all(assigned != tariff for _, assigned in info.assignments):
            continue
        kept += [(number, part) for part in info.parts]
        late(number).meter.parts = ()
        followers[number] = [late(follower).meter for follower in meters.followers(number)]
    for number, part in sorted(kept, key=lambda each: each[1].t0):
        of_meter = late(number).meter
        priced, still_kept = price_part(of_meter, books.tariffs, part, followers[number])
        of_meter.parts += tuple(still_kept)
        late(number).pieces.extend(piece for piece in priced if piece.quantity)
    return [touched[number] for number in sorted(touched)]


def plan_fits(line: Line, plan: Sequence[LatePricing]) -> bool:
    """Whether every balance holds the deductions of a plan."""
    amounts: dict[int, int] = {}
    for late in plan:
        due = sum(piece.amount for piece in late.pieces)
        amounts[late.meter.account] = amounts.get(late.meter.account, 0) - due
    return all(line.fits(account, amount) for account, amount in amounts.items())


def post_plan(line: Line, plan: Sequence[LatePricing]) -> None:
    """Carry a plan out: store the meters, deduct, give out rows flagged `PRICED_LATE`."""
    for late in plan:
        meter = late.meter
        line.books.meters.store(meter, at=line.at)
        if late.pieces:
            judgement = Judgement(flags=Flag.PRICED_LATE, pieces=late.pieces)
            write_down(line, meter, judgement, register=meter.register, read_at=meter.read_at)
