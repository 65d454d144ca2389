"""How far the clocks of meters are off, kept on disk for whoever asks, and across a restart."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CLOCKS_FILE: Final = "collector/clocks.sqlite"
"""In the data directory."""


@dataclass(frozen=True, slots=True)
class MeterClock:
    """What is known of a meter's clock.

    Attributes:
        measured_ms: When it was read; ms since 1970 UTC.
        drift_ms: How far it was ahead of the collector's clock, below 0 behind; None where it showed no time.
        set_ms: When it was set last; None if it never was.
    """

    site: str
    meter: str
    gateway: str
    measured_ms: int
    drift_ms: int | None
    set_ms: int | None = None


class ClockBook:
    """The clocks of all meters by site and id.

    A power failure may take the latest with it: they are measured again.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._base = sqlite3.connect(path, isolation_level=None)
        self._base.execute("PRAGMA journal_mode=WAL")
        self._base.execute("PRAGMA synchronous=OFF")
        self._base.execute(
            "CREATE TABLE IF NOT EXISTS clocks (site TEXT, meter TEXT, gateway TEXT NOT NULL,"
            " measured_ms INTEGER NOT NULL, drift_ms INTEGER, set_ms INTEGER, PRIMARY KEY (site, meter))"
        )

    def note(self, clocks: Iterable[MeterClock]) -> None:
        """Keep what was measured; when a clock was set last stays."""
        rows = [(each.site, each.meter, each.gateway, each.measured_ms, each.drift_ms) for each in clocks]
        if not rows:
            return
        self._base.execute("BEGIN")
        with self._base:
            self._base.executemany(
                "INSERT INTO clocks (site, meter, gateway, measured_ms, drift_ms) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (site, meter) DO UPDATE SET gateway = excluded.gateway,"
                " measured_ms = excluded.measured_ms, drift_ms = excluded.drift_ms",
                rows,
            )

    def note_set(self, site: str, meters: Iterable[str], at_ms: int) -> None:
        """Keep when clocks were set."""
        self._base.execute("BEGIN")
        with self._base:
            self._base.executemany(
                "UPDATE clocks SET set_ms = ? WHERE site = ? AND meter = ?", [(at_ms, site, meter) for meter in meters]
            )

    def of_gateway(self, site: str, gateway: str) -> dict[str, MeterClock]:
        """The clocks behind a gateway, by meter."""
        return {each.meter: each for each in self._read("WHERE site = ? AND gateway = ?", (site, gateway))}

    def all(self) -> list[MeterClock]:
        """All clocks, by site and meter."""
        return self._read("ORDER BY site, meter", ())

    def close(self) -> None:
        self._base.close()

    def _read(self, which: str, values: tuple[str, ...]) -> list[MeterClock]:
        found = self._base.execute(
            f"SELECT site, meter, gateway, measured_ms, drift_ms, set_ms FROM clocks {which}",
            values,
        )
        return [MeterClock(*row) for row in found]
