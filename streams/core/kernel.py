"""The common reading, compiled: what nearly all lines of a batch are, one after the other, until one that is not.

A line is common if its meter is known, open, and has nothing held and nothing unpriced; its register did not fall; its
tariff has held for the whole interval; and nothing but rows comes of it: no notice, no command, no refusal, no alarm.
`take_common` stops at the first line that is otherwise, having changed nothing for it; the plain rules
(`streams.core.posting`) take that one. Numbers that could leave 64 bits stop it too.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.core.calendar import EPOCH_WEEKDAY, SATURDAY, DayType
from streams.core.compiled import compiled
from streams.core.consumption import AHEAD_MS, HOUR_MS
from streams.core.growing import PAGE_SHIFT
from streams.core.localtime import DAY_MS, MINUTE_MS, OFFSET_MS, month_start
from streams.core.meter import Action
from streams.core.outcome import NO_CELL, NO_VERSION, Flag, Source, Supply
from streams.core.pricetable import PriceTable
from streams.core.supply import REPEAT_AFTER_MS

PIECES_A_LINE = 256
"""A line of more pieces goes by the plain rules."""
CONSUMPTION_NARROW = 1 << 31
"""From here on a consumption could leave 64 bits when multiplied by a price."""
BALANCE_NARROW = 1 << 61
NARROW = 1 << 62

_FIRST_MONTH = 1900 * 12
_MONTHS = np.array([month_start(month) for month in range(_FIRST_MONTH, 2400 * 12)], np.int64)
"""When each month begins; readings outside these years go by the plain rules."""
_MONTH_MS = 2_629_746_000
"""A month on the average."""

# Flags and codes as plain numbers: the compiler does not know enumerations.
_LATE, _DUPLICATE, _CONFLICT = int(Flag.LATE), int(Flag.DUPLICATE), int(Flag.CONFLICT)
_WORKDAY, _WEEKEND = int(DayType.WORKDAY), int(DayType.WEEKEND)
_ON, _OFF, _NO_ACTION, _FRAMES = int(Supply.ON), int(Supply.OFF), int(Action.NONE), int(Source.FRAMES)


class State(NamedTuple):
    """The rows that a reading changes, and which pages of each were written."""

    meters: NDArray[np.void]
    """`METER` rows."""
    meter_pages: NDArray[np.bool_]
    setup: NDArray[np.void]
    """`SETUP` rows."""
    setup_pages: NDArray[np.bool_]
    accounts: NDArray[np.void]
    """`ACCOUNT` rows."""
    account_pages: NDArray[np.bool_]
    limits: NDArray[np.void]
    """`LIMITS` rows."""
    priced_until: NDArray[np.int64]
    """By tariff."""


class _Place(NamedTuple):
    """How far a seat was priced, and when its latest month and year began; see `METER` and `SETUP`."""

    priced: int
    month: int
    month_base: int
    year_base: int


@compiled
def take_common(
    rows: NDArray[np.void],
    start: int,
    clock: int,
    ripe_at: int,
    state: State,
    prices: PriceTable,
    pieces: NDArray[np.void],
) -> tuple[int, int, bool]:
    """Take lines from `start` on for as long as they are common.

    Args:
        rows: `READING` rows of the batch, with what the reading says filled in; the rest is filled in here.
        start: The line to begin with.
        clock: The site's time, ms.
        ripe_at: When protected hours end for an account that waits to be cut: no line of then or later is common.
        pieces: Room for `PIECE` rows, at least `PIECES_A_LINE`; `reading` counts from `start`.

    Returns:
        The line at which it stopped, the pieces written, and whether it stopped only because their room was full.
    """
    meter, register, read_at, at = rows["meter"], rows["register"], rows["read_at"], rows["at"]
    last_register, last_at, setup = state.meters["register"], state.meters["read_at"], state.setup
    balance, spent, alert = state.accounts["balance"], state.accounts["spent"], state.limits["alert"]
    written = 0
    for line in range(start, len(rows)):
        now = max(clock, at[line])
        number, instant = meter[line], read_at[line]
        if number >= len(last_at) or now >= ripe_at or instant > now + AHEAD_MS:
            return line, written, False
        if setup["care"][number] or register[line] < 0 or register[line] >= setup["wrap"][number]:
            return line, written, False
        account = setup["account"][number]
        place = _Place(
            state.meters["priced"][number],
            # Added to a wide 0, so that it is as wide as the others.
            0 + setup["month"][number],
            setup["month_base"][number],
            setup["year_base"][number],
        )
        flags = count = consumption = amount = 0
        newer = instant > last_at[number]
        if newer:
            if _answered(setup, number, rows["supply"][line], now):
                return line, written, False
            consumption = _consumption(setup, number, register[line] - last_register[number], instant - last_at[number])
            row = _version_row(setup, prices, number, last_at[number])
            if consumption < 0 or row == 0:
                return line, written, False
            if written + PIECES_A_LINE > len(pieces):
                return line, written, True
            count, place = _price(pieces, written, prices, row, last_at[number], instant, consumption, place)
            if count < 0:
                return line, written, False
            for piece in range(written, written + count):
                amount += pieces["amount"][piece]
                pieces["reading"][piece] = line - start
        elif instant < last_at[number]:
            flags = _LATE
        else:
            flags = _DUPLICATE if register[line] == last_register[number] else _CONFLICT
        before = balance[account]
        if abs(before) >= BALANCE_NARROW or before - amount <= alert[account]:
            return line, written, False
        if place.month != setup["month"][number] and _MONTHS[place.month - _FIRST_MONTH] > now:
            # Its clock is ahead over a month's end: a meter that takes its seat now begins in this month (P17).
            return line, written, False
        # From here on the line is taken.
        clock = now
        if newer:
            last_register[number], last_at[number] = register[line], instant
            state.meters["priced"][number] = place.priced
            if place.month != setup["month"][number]:
                setup["month"][number] = place.month
                setup["month_base"][number], setup["year_base"][number] = place.month_base, place.year_base
                state.setup_pages[number >> PAGE_SHIFT] = True
            tariff = setup["tariff"][number]
            state.priced_until[tariff] = max(state.priced_until[tariff], instant)
        if amount:
            spent[account] = 1
        balance[account] = before - amount
        state.meter_pages[number >> PAGE_SHIFT] = True
        state.account_pages[account >> PAGE_SHIFT] = True
        rows["at"][line], rows["account"][line] = now, account
        rows["source"][line], rows["flags"][line] = _FRAMES, flags
        rows["consumption"][line], rows["amount"][line], rows["balance"][line] = consumption, amount, before - amount
        if count == 1:
            # A reading that lies in one cell names it itself, without a piece.
            rows["version"][line] = pieces["version"][written]
            rows["band"][line], rows["tier"][line] = pieces["band"][written], pieces["tier"][written]
        else:
            rows["version"][line], rows["band"][line], rows["tier"][line] = NO_VERSION, NO_CELL, NO_CELL
            written += count
    return len(rows), written, False


@compiled
def _answered(setup: NDArray[np.void], number: int, supply: int, now: int) -> bool:
    """Whether a report of supply makes the last command go out again (P27)."""
    contrary = _ON if setup["off"][number] else _OFF
    commanded = setup["last_action"][number] != _NO_ACTION
    return bool(commanded and supply == contrary and now - setup["last_at"][number] >= REPEAT_AFTER_MS)


@compiled
def _consumption(setup: NDArray[np.void], number: int, difference: int, interval_ms: int) -> int:
    """Wh or litres of a register difference; -1 where it is not a common one."""
    if difference < 0 or difference >= CONSUMPTION_NARROW:
        return -1
    consumption: int = difference * setup["ratio"][number]
    if consumption >= CONSUMPTION_NARROW:
        return -1
    # Divisions cost more than all else here, so only long intervals are looked at this closely.
    if interval_ms >= CONSUMPTION_NARROW and consumption > NARROW // interval_ms:
        return -1
    rate = setup["max_rate"][number]
    if rate and rate <= NARROW // interval_ms and consumption * HOUR_MS > rate * interval_ms:
        return -1
    return consumption


@compiled
def _version_row(setup: NDArray[np.void], prices: PriceTable, number: int, at: int) -> int:
    """The row of the version in force for a meter; 0 where the plain rules have to look."""
    if at < setup["tariff_since"][number]:
        return 0
    row: int = prices.last[setup["tariff"][number]]
    while prices.starts_at[row] > at:
        row = prices.previous[row]
    return 0 if prices.wide[row] else row


@compiled
def _price(
    pieces: NDArray[np.void],
    first: int,
    prices: PriceTable,
    row: int,
    begin: int,
    end: int,
    consumption: int,
    place: _Place,
) -> tuple[int, _Place]:
    """Cut an interval at its boundaries and price every segment by its position.

    Returns:
        How many pieces were written from `first` on, -1 where the plain rules have to price it, and the new place. A
        consumption of 0 gives one piece of nothing, the cell that it begins in.
    """
    priced, month, month_base, year_base = place
    months = len(_MONTHS)
    index = max(0, min(months - 2, (begin - _MONTHS[0]) // _MONTH_MS))
    while index > 0 and _MONTHS[index] > begin:
        index -= 1
    while index < months - 2 and _MONTHS[index + 1] <= begin:
        index += 1
    at, done, count = begin, 0, 0
    while True:
        if not _MONTHS[index] <= at < _MONTHS[index + 1] or index >= months - 2:
            return -1, place
        day = (at + OFFSET_MS) // DAY_MS
        midnight = day * DAY_MS - OFFSET_MS
        minute = (at - midnight) // MINUTE_MS
        profile = 0
        band_end = midnight + minute * MINUTE_MS
        if prices.profiles[row]:
            profile = prices.profile[row, (_FIRST_MONTH + index) % 12, _day_type(prices, day)]
            # Another profile may hold from the next midnight on.
            band_end = min(band_end + prices.change_ms[row, profile, minute], midnight + DAY_MS)
        else:
            band_end += prices.change_ms[row, 0, minute]
        band = prices.band[row, profile, minute]
        upto_at = min(band_end, _MONTHS[index + 1], prices.ends_at[row], end)
        # Floors of the whole interval's consumption, so that neighbours add up; the last boundary gets all of it.
        upto = consumption if upto_at >= end else consumption * (upto_at - begin) // (end - begin)
        quantity = upto - done
        if quantity or not consumption:
            now = _FIRST_MONTH + index
            if month > now:
                return -1, place
            cycle = prices.cycle[row]
            # What was priced in the cycle: nothing yet, if the latest priced segment lies in an earlier one.
            if cycle == 2:
                position = priced
            elif cycle == 1:
                position = priced - year_base if month // 12 == now // 12 else 0
            else:
                position = priced - month_base if month == now else 0
            tier = 0
            while position >= prices.upper[row, tier]:
                tier += 1
            if not consumption:
                _write(pieces, first, prices.number[row], band, tier, at, 0, 0)
                return 1, place
            if month != now:
                if month // 12 != now // 12:
                    year_base = priced
                month, month_base = now, priced
            priced += quantity
            while quantity:
                inside = min(quantity, prices.upper[row, tier] - position)
                amount = inside * prices.price[row, band, tier]
                latest = first + count - 1
                if (
                    count
                    and pieces["version"][latest] == prices.number[row]
                    and pieces["band"][latest] == band
                    and pieces["tier"][latest] == tier
                ):
                    pieces["quantity"][latest] += inside
                    pieces["amount"][latest] += amount
                elif count == PIECES_A_LINE:
                    return -1, place
                else:
                    _write(pieces, first + count, prices.number[row], band, tier, at, inside, amount)
                    count += 1
                position += inside
                quantity -= inside
                tier += 1
        if upto_at >= end:
            return count, _Place(priced, month, month_base, year_base)
        at, done = upto_at, upto
        if at == _MONTHS[index + 1]:
            index += 1
        if at == prices.ends_at[row]:
            row += 1


@compiled
def _day_type(prices: PriceTable, day: int) -> int:
    """The type of a local day, counted from 1970-01-01."""
    place = np.searchsorted(prices.special_day, day)
    if place < len(prices.special_day) and prices.special_day[place] == day:
        return int(prices.special_type[place])
    return _WEEKEND if (day + EPOCH_WEEKDAY) % 7 >= SATURDAY else _WORKDAY


@compiled
def _write(
    pieces: NDArray[np.void], index: int, version: int, band: int, tier: int, start: int, quantity: int, amount: int
) -> None:
    pieces["version"][index], pieces["band"][index], pieces["tier"][index] = version, band, tier
    pieces["start"][index], pieces["quantity"][index], pieces["amount"][index] = start, quantity, amount


def state_of(meters: Any, accounts: Any, priced_until: NDArray[np.int64]) -> State:
    """The arrays of a site's meters and accounts."""
    return State(
        meters.hot.rows,
        meters.hot.touched,
        meters.setup.rows,
        meters.setup.touched,
        accounts.hot.rows,
        accounts.hot.touched,
        accounts.limits.rows,
        priced_until,
    )
