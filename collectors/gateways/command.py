"""Commands for gateways: their JSON, and the memory of which were carried out.

A command goes to its meter at most once a sequence, also across restarts: the sequence is on disk before a byte is on
the line. What the meter did is seen in its next frames, not here.
"""

import sqlite3
from pathlib import Path

import msgspec

from collectors.gateways.line import Action
from streams.core.localtime import parse_time


class CommandError(ValueError):
    """A record of `gateway.commands` that is no command."""


class Command(msgspec.Struct, frozen=True):
    """A record of `gateway.commands`; times as ISO 8601 texts."""

    site: str
    gateway: str
    meter: str
    sequence: int
    action: Action
    reason: str
    repeat: bool
    issued_at: str
    expires_at: str
    v: int
    address: str = ""
    template: str = ""

    @property
    def expires_ms(self) -> int:
        """When it is void, ms since 1970 UTC; 0 if that cannot be read."""
        return parse_time(self.expires_at) or 0


def read_command(value: bytes) -> Command:
    """The command that a record holds.

    Raises:
        CommandError: It holds none of a known version.
    """
    try:
        command = msgspec.json.decode(value, type=Command)
    except msgspec.MsgspecError as error:
        raise CommandError(str(error)) from error
    if command.v != 1:
        raise CommandError(f"version {command.v} of the command format is not known")
    return command


class CommandBook:
    """The latest sequence that was sent to each meter of each site, on disk."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._base = sqlite3.connect(path, isolation_level=None)
        self._base.execute("PRAGMA journal_mode=WAL")
        self._base.execute("PRAGMA synchronous=FULL")
        self._base.execute(
            "CREATE TABLE IF NOT EXISTS sent_to "
            "(site TEXT, meter TEXT, sequence INTEGER NOT NULL, PRIMARY KEY (site, meter))"
        )

    def sent(self, site: str, meter: str) -> int:
        """The latest sequence sent to a meter; 0 before the first."""
        found = self._base.execute("SELECT sequence FROM sent_to WHERE site = ? AND meter = ?", (site, meter))
        row = found.fetchone()
        return int(row[0]) if row else 0

    def claim(self, command: Command) -> bool:
        """Put a command's sequence down as sent; False if it, or a later one, has been."""
        cursor = self._base.execute(
            "INSERT INTO sent_to VALUES (?, ?, ?) "
            "ON CONFLICT (site, meter) DO UPDATE SET sequence = excluded.sequence "
            "WHERE excluded.sequence > sequence",
            (command.site, command.meter, command.sequence),
        )
        return cursor.rowcount == 1

    def release(self, command: Command) -> None:
        """Take back a claim of which nothing was sent; earlier sequences stay claimed."""
        self._base.execute(
            "UPDATE sent_to SET sequence = sequence - 1 WHERE site = ? AND meter = ? AND sequence = ?",
            (command.site, command.meter, command.sequence),
        )

    def close(self) -> None:
        self._base.close()
