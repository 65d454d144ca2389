"""A seeded year of a large property group, made by arrays: what storage and queries are measured on.

Every meter has an account of its own, is read every half hour, and pays by band and monthly tier; its account is
recharged whenever it has used up what it paid. The rows tie as the ledger's do: registers go on from each other,
amounts are quantities times prices, a reading over a tier's limit is in two pieces, a balance is the one before it and
what moved. Nothing here goes through the ledger, which would take hours.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.core.localtime import DAY_MS, OFFSET_MS
from streams.core.outcome import NO_CELL, NO_VERSION

Int: Final = np.int64
BEGIN_MS: Final = 1_735_660_800_000
"""2025-01-01 00:00 in Asia/Shanghai."""
STEP_MS: Final = 30 * 60_000
SLOTS_A_DAY: Final = DAY_MS // STEP_MS
SITE_METERS: Final = 1000
GATEWAY_METERS: Final = 50
PARTITIONS: Final = 12
DISPLAY_STEP_MILLI: Final = 10
"""Meters show hundredths of a kWh or m3."""
YUAN: Final = 10**9

BANDS: Final = ("peak", "flat", "valley")
BAND_OF_HOUR: Final = np.array([2] * 7 + [1] + [0] * 3 + [1] * 7 + [0] * 3 + [1] * 2 + [2], np.uint8)
PRICES: Final = np.array([[1_213_457, 703_457, 353_457], [1_313_457, 803_457, 453_457]], Int)
"""[tier][band], nano-yuan per Wh or litre."""
TIER_MILLI: Final = 260_000
"""Lower limit of the second tier in each month."""

SHAPE: Final = np.array([2, 2, 2, 2, 2, 2, 4, 7, 9, 10, 10, 9, 9, 10, 10, 10, 9, 9, 11, 12, 11, 9, 5, 3], Int)
"""Load by hour of the day."""

READING: Final = np.dtype(
    [
        ("meter", "<u2"),
        ("at", "<i8"),
        ("read_at", "<i8"),
        ("register_milli", "<i8"),
        ("consumption_milli", "<i8"),
        ("amount_nano", "<i8"),
        ("balance_nano", "<i8"),
        ("band", "u1"),
        ("tier", "u1"),
        ("version", "<u2"),
        ("offset", "<u8"),
        ("line", "<u4"),
        ("posting_offset", "<u8"),
    ]
)
PIECE: Final = np.dtype([*((name, READING[name]) for name in READING.names or ()), ("quantity_milli", "<i8")])
ENTRY: Final = np.dtype(
    [("meter", "<u2"), ("at", "<i8"), ("amount_nano", "<i8"), ("balance_nano", "<i8"), ("offset", "<u8"),
     ("posting_offset", "<u8")]
)  # fmt: skip

Rows = NDArray[np.void]


@dataclass(frozen=True, slots=True)
class Chunk:
    """The rows of one site and one local month, packed as RowBinary takes them."""

    site: int
    readings: Rows
    pieces: Rows
    entries: Rows


@dataclass(slots=True)
class YearHistory:
    """The history of `meters` meters (whole sites of 1000, the last may be smaller) over the first months of 2025.

    Attributes:
        deducted: Nano-yuan of all chunks so far by month, from 0, in which they were booked: what queries are checked
            against.
        consumed: Likewise Wh and litres.
        recharged: Likewise nano-yuan.
    """

    meters: int = 10_000
    months: int = 12
    seed: int = 1
    deducted: Counter[int] = field(default_factory=Counter)
    consumed: Counter[int] = field(default_factory=Counter)
    recharged: Counter[int] = field(default_factory=Counter)

    def chunks(self) -> Iterator[Chunk]:
        """All rows, month by month and site by site."""
        sites = range(-(-self.meters // SITE_METERS))
        states = [_Site(self, site) for site in sites]
        day = 0
        for number, length in enumerate(_month_lengths(self.months)):
            for state in states:
                chunk = state.month(day, length)
                end = BEGIN_MS + (day + length) * DAY_MS
                _add(self.deducted, number, chunk.readings, "amount_nano", end)
                _add(self.consumed, number, chunk.readings, "consumption_milli", end)
                _add(self.recharged, number, chunk.entries, "amount_nano", end)
                yield chunk
            day += length


def _add(sums: Counter[int], month: int, rows: Rows, name: str, end_ms: int) -> None:
    # What happens at midnight is booked a moment later, in the next month.
    later = rows["at"] >= end_ms
    sums[month] += int(rows[name][~later].sum())
    sums[month + 1] += int(rows[name][later].sum())


class _Site:
    """One site's meters as they are while the year goes by."""

    def __init__(self, history: YearHistory, number: int) -> None:
        first = number * SITE_METERS
        count = min(SITE_METERS, history.meters - first)
        self.number = number
        self._luck = np.random.default_rng((history.seed, number))
        self._meters = np.arange(first, first + count, dtype=Int)
        self._scale = self._luck.integers(3, 60, count)
        self._register = np.full(count, 100_000, Int)
        self._used_nano = np.zeros(count, Int)
        self._paid_nano = np.zeros(count, Int)
        self._top_up = self._luck.integers(1, 6, count) * 100 * YUAN
        self._gateways = -(-count // GATEWAY_METERS)
        self._phase_ms = self._luck.integers(0, 300_000, self._gateways)
        self._orders = 0

    def month(self, day: int, days: int) -> Chunk:
        """The rows of some days, all of one month."""
        count, slots = len(self._meters), days * SLOTS_A_DAY
        slot = np.arange(slots)
        hour = (slot * 24 // SLOTS_A_DAY) % 24
        noise = self._luck.integers(0, 16, (count, slots), dtype=np.int16)
        steps = (SHAPE[hour][None, :] * self._scale[:, None] * (noise + 4)) // 240
        used = steps * DISPLAY_STEP_MILLI
        total = np.cumsum(used, axis=1)
        low = np.diff(np.minimum(total, TIER_MILLI), axis=1, prepend=0)
        high = used - low
        band = BAND_OF_HOUR[hour]
        amounts = (low * PRICES[0][band][None, :], high * PRICES[1][band][None, :])
        amount = amounts[0] + amounts[1]
        crossing = (low > 0) & (high > 0)
        cost = self._used_nano[:, None] + np.cumsum(amount, axis=1)
        paid = (cost // self._top_up[:, None] + 1) * self._top_up[:, None]
        before = np.concatenate([self._paid_nano[:, None], paid[:, :-1]], axis=1)

        readings = np.zeros((count, slots), READING)
        gateway = np.arange(count) // GATEWAY_METERS
        line = np.arange(count) % GATEWAY_METERS
        begin = BEGIN_MS + day * DAY_MS
        # A round reads meter after meter, in nearly the same time every time; it arrives as a whole.
        start = begin + (slot + 1)[None, :] * STEP_MS + self._phase_ms[:, None]
        arrived = start + GATEWAY_METERS * 60 + self._luck.integers(0, 64, start.shape)
        readings["meter"] = self._meters[:, None]
        readings["at"] = arrived[gateway]
        readings["read_at"] = start[gateway] + line[:, None] * 60 + self._luck.integers(0, 16, (count, slots))
        readings["register_milli"] = self._register[:, None] + total
        readings["consumption_milli"] = used
        readings["amount_nano"] = amount
        readings["balance_nano"] = paid - cost
        readings["band"] = np.where(crossing, NO_CELL, band[None, :])
        readings["tier"] = np.where(crossing, NO_CELL, high > 0)
        readings["version"] = np.where(crossing, NO_VERSION, 0)
        # Sites that share a partition take turns, slot by slot.
        turns = -(-100 // PARTITIONS)
        round_number = (day * SLOTS_A_DAY + slot)[None, :] * turns + self.number // PARTITIONS
        readings["offset"] = round_number * 20 + gateway[:, None]
        readings["line"] = line[:, None]
        readings["posting_offset"] = 2 * round_number + 1

        paying = np.nonzero(paid > before)
        entries = np.zeros(len(paying[0]), ENTRY)
        for name in ("meter", "posting_offset"):
            entries[name] = readings[name][paying]
        entries["at"] = readings["at"][paying] - 1000
        entries["amount_nano"] = (paid - before)[paying]
        entries["balance_nano"] = (paid - cost + amount)[paying]
        entries["offset"] = self._orders + np.argsort(np.argsort(entries["at"], kind="stable"))
        self._orders += len(entries)

        pieces = np.concatenate([_pieces(readings, crossing, tier, (low, high)[tier], amounts[tier], band)
                                 for tier in (0, 1)])  # fmt: skip
        self._register += total[:, -1]
        self._used_nano = cost[:, -1]
        self._paid_nano = paid[:, -1]
        return Chunk(self.number, readings.reshape(-1), pieces, entries)


def _pieces(
    readings: Rows, crossing: NDArray[np.bool_], tier: int, quantity: Any, amount: Any, band: NDArray[np.uint8]
) -> Rows:
    """The part in one tier of each reading that lies in two."""
    pieces = np.zeros(int(crossing.sum()), PIECE)
    for name in READING.names or ():
        pieces[name] = readings[name][crossing]
    pieces["tier"] = tier
    pieces["version"] = 0
    pieces["band"] = np.broadcast_to(band[None, :], crossing.shape)[crossing]
    pieces["quantity_milli"] = quantity[crossing]
    pieces["amount_nano"] = amount[crossing]
    return pieces


def _month_lengths(months: int) -> Iterator[int]:
    """Days of each local month from the beginning on."""
    first = np.datetime64((BEGIN_MS + OFFSET_MS) // DAY_MS, "D").astype("M8[M]")
    for month in range(months):
        yield int(((first + month + 1).astype("M8[D]") - (first + month).astype("M8[D]")).astype(int))
