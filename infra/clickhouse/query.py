"""The packet that asks something.

Query   1 | id | client info | settings | stage | compression | text
        then external tables as Data packets, ended by an empty one
"""

import threading
from dataclasses import dataclass, field

from clickhouse_driver.settings import types
from clickhouse_driver.settings.available import settings as known_settings

from infra.clickhouse.channel import Channel
from infra.clickhouse.errors import Code, protocol_error
from infra.clickhouse.protocol import (
    REVISION_CLIENT_INFO,
    REVISION_QUOTA_KEY,
    REVISION_TEXT_SETTINGS,
    REVISION_VERSION_PATCH,
)
from infra.clickhouse.reader import WireReader
from infra.clickhouse.statements import first_word

_IMPORTANT = 1
_TCP = 1
_HTTP = 2
_LAST_INTERFACE = 16
_TEXT_SETTINGS = (types.SettingString, types.SettingChar, types.SettingFloat)


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting's value; an unknown setting is passed over unless it is important."""

    value: str
    important: bool


@dataclass(frozen=True, slots=True)
class Query:
    """What a client asks: the statement, its settings, and whether blocks travel compressed."""

    sql: str
    settings: dict[str, Setting]
    compressed: bool


@dataclass(slots=True)
class Running:
    """A statement at work.

    Attributes:
        mark: Stands in its text as a comment, so that the engine can be told to stop it.
        cancelled: Its client no longer wants it.
    """

    mark: str
    cancelled: threading.Event = field(default_factory=threading.Event)

    def marked(self, sql: str) -> str:
        """The statement's text with the mark."""
        # At its end, so that positions in errors stay right; but behind an INSERT's rows no comment may stand.
        return f"/*{self.mark}*/ {sql}" if first_word(sql) == "INSERT" else f"{sql} /*{self.mark}*/"

    def unmarked(self, message: str) -> str:
        """An error's text without the mark."""
        return message.replace(f"/*{self.mark}*/ ", "").replace(f" /*{self.mark}*/", "")


def read_query(channel: Channel) -> Query:
    """Read a query packet behind its type, without the external tables that follow.

    Raises:
        ProtocolError: It makes no sense.
    """
    reader = channel.reader
    reader.text()
    if channel.revision >= REVISION_CLIENT_INFO:
        _skip_client_info(reader, channel.revision)
    settings = _read_settings(reader) if channel.revision >= REVISION_TEXT_SETTINGS else _read_binary_settings(reader)
    reader.varint()
    compressed = reader.varint()
    if compressed > 1:
        raise protocol_error(Code.INCORRECT_DATA, f"A query asks for compression {compressed}")
    return Query(reader.text(), settings, bool(compressed))


def _skip_client_info(reader: WireReader, revision: int) -> None:
    # The interface is that by which the first of several servers was asked: one that asks for a shard passes it on.
    if reader.byte() == 0:
        return
    for _ in ("user", "query id", "address"):
        reader.text()
    interface = reader.byte()
    if interface == _TCP:
        for _ in ("system user", "host", "client"):
            reader.text()
        for _ in ("major", "minor", "revision"):
            reader.varint()
    elif interface == _HTTP:
        reader.byte()
        reader.text()
    elif interface > _LAST_INTERFACE:
        raise protocol_error(Code.INCORRECT_DATA, f"The client info names an unknown interface, {interface}")
    if revision >= REVISION_QUOTA_KEY:
        reader.text()
    if revision >= REVISION_VERSION_PATCH and interface == _TCP:
        reader.varint()


def _read_settings(reader: WireReader) -> dict[str, Setting]:
    settings = {}
    while name := reader.text():
        important = bool(reader.varint() & _IMPORTANT)
        settings[name] = Setting(reader.text(), important)
    return settings


def _read_binary_settings(reader: WireReader) -> dict[str, Setting]:
    """Settings of an old client, whose form depends on their type; an unknown one cannot be passed over."""
    settings = {}
    while name := reader.text():
        kind = known_settings.get(name)
        if kind is None:
            raise protocol_error(Code.UNKNOWN_SETTING, f"Unknown setting {name}")
        as_text = issubclass(kind, _TEXT_SETTINGS)
        settings[name] = Setting(reader.text() if as_text else str(reader.varint()), important=False)
    return settings
