"""The state of one site, and the journal of what its lines caused."""

import numpy as np
from numpy.typing import NDArray

from streams.core.account import Accounts, TakenOrder
from streams.core.conditions import Conditions
from streams.core.credit import Credits
from streams.core.fees import Fees
from streams.core.localtime import LONG_AGO_MS
from streams.core.meter import Meters
from streams.core.outcome import (
    PIECE,
    READING,
    AccountClosed,
    AccountOpened,
    Alarm,
    Command,
    Entry,
    MeterInstalled,
    Notice,
    Outcome,
    Refusal,
    VersionTaken,
)
from streams.core.supply import Supplies
from streams.core.tariff import Tariffs, TariffVersion


class Journal:
    """What was caused since the last settlement."""

    def __init__(self) -> None:
        self._readings: list[NDArray[np.void]] = []
        self._pieces: list[NDArray[np.void]] = []
        self._count = 0
        self.entries: list[Entry] = []
        self.commands: list[Command] = []
        self.notices: list[Notice] = []
        self.alarms: list[Alarm] = []
        self.refusals: list[Refusal] = []
        self.closings: list[AccountClosed] = []
        self.accounts: list[AccountOpened] = []
        self.meters: list[MeterInstalled] = []
        self.versions: list[VersionTaken] = []

    def add_readings(self, readings: NDArray[np.void], pieces: NDArray[np.void]) -> None:
        """Add rows; the pieces' `reading` counts within `readings` and is moved on here."""
        if pieces.size:
            pieces["reading"] += np.uint32(self._count)
            self._pieces.append(pieces)
        self._readings.append(readings)
        self._count += len(readings)

    def outcome(self) -> Outcome:
        """All of it."""
        return Outcome(
            readings=_joined(self._readings, READING),
            pieces=_joined(self._pieces, PIECE),
            entries=tuple(self.entries),
            commands=tuple(self.commands),
            notices=tuple(self.notices),
            alarms=tuple(self.alarms),
            refusals=tuple(self.refusals),
            closings=tuple(self.closings),
            accounts=tuple(self.accounts),
            meters=tuple(self.meters),
            versions=tuple(self.versions),
        )


def _joined(chunks: list[NDArray[np.void]], dtype: np.dtype[np.void]) -> NDArray[np.void]:
    if len(chunks) == 1:
        return chunks[0]
    # Not np.concatenate: it compares the fields of all chunks first, which costs as much as taking the readings.
    rows, begin = np.empty(sum(map(len, chunks)), dtype), 0
    for chunk in chunks:
        rows[begin : begin + len(chunk)] = chunk
        begin += len(chunk)
    return rows


class Books:
    """Everything that one site's lines change."""

    def __init__(self) -> None:
        self.clock = LONG_AGO_MS
        """The latest time of any line; it never goes back."""
        self.accounts = Accounts()
        self.meters = Meters()
        self.supplies = Supplies(self.accounts, self.meters)
        self.tariffs = Tariffs()
        self.fees = Fees()
        self.credits = Credits()
        self.conditions = Conditions()
        self.taken: dict[str, TakenOrder] = {}
        self.journal = Journal()
        self.room = np.empty(1_024, PIECE)
        """Where the compiled fold writes pieces before they are copied into the journal."""
        self.dirty_orders: set[str] = set()
        self.site_dirty = False
        """Whether tariffs or the site's policy changed since the pages were last taken."""
        self.unwritten: list[TariffVersion] = []
        """Versions that no page has yet."""
        self.kept_times: list[int] = []
        """The clock and the tariffs' `priced_until` as the pages have them."""

    def tariffs_changed(self, version: TariffVersion) -> None:
        """Note that a version came, and maybe its tariff with it."""
        self.tariffs.changed()
        self.site_dirty = True
        self.unwritten.append(version)

    def advance_clock(self, at: int) -> int:
        """The time that a line counts as: its own, or the site's latest where that is later (P2)."""
        self.clock = max(self.clock, at)
        return self.clock
