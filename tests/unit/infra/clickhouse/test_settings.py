"""Settings of one query on a session that outlives it."""

from typing import Any

import pytest

from infra.clickhouse.errors import ServerError
from infra.clickhouse.query import Setting
from infra.clickhouse.settings import SessionSettings


class FakeSession:
    """Keeps the SET statements; knows no setting named `unknown`."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.changed: dict[str, str] = {}

    def run(self, sql: str) -> None:
        if "unknown" in sql:
            raise ServerError(115, "Unknown setting")
        self.ran.append(sql)

    def rows(self, sql: str) -> list[list[str]]:
        return [[value] for name, value in self.changed.items() if f"'{name}'" in sql]


def setting(value: str, *, important: bool = False) -> Setting:
    return Setting(value, important)


def on(session: FakeSession) -> SessionSettings:
    stand_in: Any = session
    return SessionSettings(stand_in)


def test_setting_holds_for_its_query_only() -> None:
    session = FakeSession()
    settings = on(session)
    settings.apply({"max_threads": setting("1")})
    settings.apply({"max_threads": setting("1"), "token": setting("it's")})
    settings.apply({})
    assert session.ran == [
        "SET max_threads = '1'",
        "SET token = 'it\\'s'",
        "SET max_threads = DEFAULT",
        "SET token = DEFAULT",
    ]


def test_value_that_the_user_has_set_comes_back() -> None:
    session = FakeSession()
    settings = on(session)
    session.changed["max_threads"] = "7"
    settings.note_set()
    settings.apply({"max_threads": setting("1")})
    settings.apply({})
    assert session.ran == ["SET max_threads = '1'", "SET max_threads = '7'"]


def test_value_of_a_query_wins_over_a_set_in_between() -> None:
    session = FakeSession()
    settings = on(session)
    settings.apply({"max_threads": setting("1")})
    settings.note_set()
    settings.apply({"max_threads": setting("1")})
    assert session.ran == ["SET max_threads = '1'"] * 2


def test_unknown_setting_matters_only_if_important() -> None:
    settings = on(FakeSession())
    settings.apply({"unknown": setting("1")})
    with pytest.raises(ServerError):
        settings.apply({"unknown": setting("1", important=True)})


def test_name_that_is_no_name_never_reaches_the_engine() -> None:
    session = FakeSession()
    on(session).apply({"a = 1, b": setting("1")})
    assert session.ran == []


def test_settings_that_the_server_relies_on_stay() -> None:
    session = FakeSession()
    on(session).apply({"output_format_native_encode_types_in_binary_format": setting("1")})
    assert session.ran == []


def test_readonly_is_kept_from_the_engine() -> None:
    session = FakeSession()
    settings = on(session)
    settings.apply({"readonly": setting("1")})
    assert (settings.readonly, session.ran) == (1, [])
    settings.apply({})
    assert settings.readonly == 0
