"""Settings that come with a query, on a session that outlives it."""

import re
from collections.abc import Mapping

from infra.clickhouse.engine import EngineSession
from infra.clickhouse.errors import Code, ServerError, server_error
from infra.clickhouse.query import Setting
from infra.clickhouse.statements import quote_text

_NAME = re.compile(r"\w+")

# The server reads what the engine writes in the Native format, so these stay as they are.
_PINNED = re.compile(r"(?:out|in)put_format_native_\w+|print_pretty_type_names|implicit_select")

# What cannot be SET, though another server passes on its default.
_USUAL = frozenset({("run_query_in_background", "0")})

_READONLY = "readonly"


class SessionSettings:
    """Gives each query its settings and takes them back before the next one.

    Attributes:
        readonly: The level that the query asks for: 0 for none, 1 for reading only, 2 for reading and SET. It is
            not set on the engine's session, where it could not be taken back.
    """

    def __init__(self, session: EngineSession) -> None:
        self._session = session
        self._applied: dict[str, str | None] = {}
        self._before: dict[str, str] = {}
        self._user_has_set = False
        self.readonly = 0

    def note_set(self) -> None:
        """A SET statement ran: a query's setting may now hide a value other than the default, and what was put
        for an earlier query may hold no longer."""
        self._user_has_set = True
        self._applied = dict.fromkeys(self._applied)

    def apply(self, settings: Mapping[str, Setting]) -> None:
        """Make these the settings in force besides the session's own.

        Raises:
            ServerError: A value is wrong, or an important setting unknown.
        """
        wanted = dict(settings)
        self.readonly = _level(wanted.pop(_READONLY, None))
        for name in [name for name in self._applied if name not in wanted]:
            self._take_back(name)
        for name, setting in wanted.items():
            if _PINNED.fullmatch(name) or self._applied.get(name) == setting.value or (name, setting.value) in _USUAL:
                continue
            try:
                self._put(name, setting.value)
            except ServerError as error:
                if error.code != Code.UNKNOWN_SETTING or setting.important:
                    raise

    def _put(self, name: str, value: str) -> None:
        if not _NAME.fullmatch(name):
            raise server_error(Code.UNKNOWN_SETTING, f"Unknown setting {name}")
        if name not in self._applied and self._user_has_set:
            rows = self._session.rows(f"SELECT value FROM system.settings WHERE changed AND name = {quote_text(name)}")
            if rows:
                self._before[name] = rows[0][0]
        self._session.run(f"SET {name} = {quote_text(value)}")
        self._applied[name] = value

    def _take_back(self, name: str) -> None:
        before = self._before.pop(name, None)
        value = "DEFAULT" if before is None else quote_text(before)
        self._session.run(f"SET {name} = {value}")
        del self._applied[name]


def _level(setting: Setting | None) -> int:
    if setting is None:
        return 0
    if setting.value not in ("0", "1", "2"):
        raise server_error(Code.INCORRECT_DATA, f"readonly is 0, 1 or 2, not {setting.value}")
    return int(setting.value)
