"""Commands for gateways: their JSON, and the memory of which were carried out.

A command goes to its meter at most once a sequence, also across restarts: the sequence is on disk before a byte is on
the line. What the meter did is seen in its next frames, not here.
"""

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from streams.core.errors import MalformedError
from streams.core.localtime import parse_time
from streams.core.strictjson import read_object

ACTIONS: Final = frozenset(
    ("cut", "restore", "retain", "release", "set_price", "recharge", "sync_time", "set_parameters")
)
SEQUENCE_MAX: Final = (1 << 63) - 1
TEXT_MAX: Final = 1_000
_SUBJECTS = {"cut": "supply", "restore": "supply", "retain": "retaining", "release": "retaining"}
"""What an action changes, where that is not called as the action: of one subject only the last word counts."""


class CommandError(ValueError):
    """A record of `gateway.commands` that is no command."""


class Command(msgspec.Struct, frozen=True, omit_defaults=True):
    """A record of `gateway.commands`; times as ISO 8601 texts."""

    site: str
    gateway: str
    meter: str
    sequence: int
    action: str
    reason: str
    repeat: bool
    issued_at: str
    expires_at: str
    v: int
    address: str = ""
    template: str = ""
    amount: str = ""
    count: int = 0
    prices: dict[str, str] = {}
    parameters: dict[str, str] = {}
    signature: str = ""

    @property
    def subject(self) -> str:
        """What it changes."""
        return _SUBJECTS.get(self.action, self.action)

    @property
    def place(self) -> tuple[str, str, str, str]:
        """What it changes, and where. A meter that was replaced and its successor are at one place."""
        return self.site, self.gateway, self.address or self.meter, self.subject

    def overtakes(self, earlier: "Command") -> bool:
        """Whether this one, which came after `earlier` for the same place, takes that one's place.

        Sequences count within a meter; those of a meter and its successor say nothing of each other.
        """
        return self.meter != earlier.meter or self.sequence > earlier.sequence

    def told(self) -> dict[str, str | int]:
        """What a line of the log tells of it."""
        names = ("gateway", "meter", "address", "template", "sequence", "action")
        return {name: getattr(self, name) for name in names}

    @property
    def expires_ms(self) -> int:
        """When it is void, ms since 1970 UTC; 0 if that cannot be read."""
        return parse_time(self.expires_at) or 0


def read_command(value: bytes) -> Command:
    """The command that a record holds.

    Raises:
        CommandError: It holds none of a known version.
    """
    return convert_command(read_fields(value))


def read_fields(value: bytes) -> dict[str, Any]:
    """The members of a record, all of which its signature is about.

    Raises:
        CommandError: It is no JSON object, or one with a name twice.
    """
    try:
        return read_object(value)
    except MalformedError as error:
        raise CommandError(str(error)) from error


def convert_command(fields: Mapping[str, Any]) -> Command:
    """The command that a record's members make.

    Raises:
        CommandError: One is missing, of the wrong type or without meaning in this version; says which.
    """
    try:
        command = msgspec.convert(fields, type=Command)
    except msgspec.ValidationError as error:
        raise CommandError(str(error)) from error
    _check_sizes(command)
    if command.v != 1:
        raise CommandError(f"version {command.v} of the command format is not known")
    if command.action not in ACTIONS:
        raise CommandError(f"`action` {command.action!r} is not one of {', '.join(sorted(ACTIONS))}")
    return command


def _check_sizes(command: Command) -> None:
    """Refuse what no command has, and what neither a database nor a log could hold."""
    if not 1 <= command.sequence <= SEQUENCE_MAX:
        raise CommandError(f"`sequence` is not one from 1 to {SEQUENCE_MAX}")
    if not 0 <= command.count <= SEQUENCE_MAX:
        raise CommandError(f"`count` is not one from 0 to {SEQUENCE_MAX}")
    for name, value in msgspec.structs.asdict(command).items():
        named = value if isinstance(value, dict) else {"": value}
        for text in (text for pair in named.items() for text in pair if isinstance(text, str)):
            if len(text) > TEXT_MAX or (not text.isascii() and _is_half(text)):
                raise CommandError(f"`{name}` has over {TEXT_MAX} characters, or half a surrogate pair")
        if len(named) > TEXT_MAX:
            raise CommandError(f"`{name}` has over {TEXT_MAX} entries")


def _is_half(text: str) -> bool:
    """Whether a text has a half of a surrogate pair, which is no UTF-8."""
    return any("\ud800" <= mark <= "\udfff" for mark in text)


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

    def adopt(self, sites: Mapping[str, str]) -> None:
        """Go on with a book of an earlier version, which was kept by meter alone.

        Args:
            sites: The site of each meter of the registry, where a meter's id is unique.
        """
        if not self._base.execute("SELECT 1 FROM sqlite_master WHERE name = 'sent'").fetchone():
            return
        self._base.execute("BEGIN IMMEDIATE")
        with self._base:
            self._base.executemany(
                "INSERT OR IGNORE INTO sent_to SELECT ?, meter, sequence FROM sent WHERE meter = ?",
                [(site, meter) for meter, site in sites.items()],
            )
            # Gone, so that it never holds up a meter of that id that another site installs later.
            self._base.execute("DROP TABLE sent")

    def close(self) -> None:
        self._base.close()
