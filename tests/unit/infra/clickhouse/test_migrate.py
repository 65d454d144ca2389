"""Migrations at hand: their statements, their numbers, and what does not go together."""

from pathlib import Path
from typing import Any

import pytest

from infra.clickhouse.migrate import MigrationError, migrate, read_migrations, split_statements


class FakeClient:
    """Keeps statements and the rows of `schema_migrations`."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.rows: list[tuple[int, str, str]] = []

    def execute(self, sql: str, rows: list[tuple[int, str, str]] | None = None) -> Any:
        if sql.startswith("SELECT number"):
            return list(self.rows)
        if sql.startswith("INSERT INTO schema_migrations"):
            self.rows += rows or []
        else:
            self.statements.append(sql)
        return None


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("", []),
        ("SELECT 1", ["SELECT 1"]),
        ("-- a; b\nSELECT 1; /* ; */ SELECT 2;\n", ["SELECT 1", "SELECT 2"]),
        ("SELECT 'it''s; \\'', `a;b`;", ["SELECT 'it''s; \\'', `a;b`"]),
        ("SELECT 1 - 2 / 3;;", ["SELECT 1 - 2 / 3"]),
    ],
)
def test_statements(text: str, statements: list[str]) -> None:
    assert list(split_statements(text)) == statements


def test_ours_are_numbered_and_can_be_repeated() -> None:
    migrations = read_migrations()
    assert migrations
    for migration in migrations:
        for statement in migration.statements():
            repeatable = ("ALTER", "INSERT", "CREATE OR REPLACE")
            assert " EXISTS " in statement or statement.startswith(repeatable), statement


@pytest.mark.parametrize(
    "names", [["0002_a.sql"], ["0001_a.sql", "0003_b.sql"], ["0001_a.sql", "0001_b.sql"], ["1.sql"]]
)
def test_wrong_numbers(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1")
    with pytest.raises(MigrationError):
        read_migrations(tmp_path)


def test_each_is_applied_once(tmp_path: Path) -> None:
    client: Any = FakeClient()
    (tmp_path / "0001_one.sql").write_text("CREATE 1; CREATE 2;")
    assert migrate(client, tmp_path) == ["0001_one"]
    (tmp_path / "0002_two.sql").write_text("CREATE 3;")
    assert migrate(client, tmp_path) == ["0002_two"]
    assert migrate(client, tmp_path) == []
    assert [each for each in client.statements if "schema_migrations" not in each] == [
        "CREATE 1",
        "CREATE 2",
        "CREATE 3",
    ]


def test_edited_migration_stops_everything(tmp_path: Path) -> None:
    client: Any = FakeClient()
    path = tmp_path / "0001_one.sql"
    path.write_text("CREATE 1;")
    migrate(client, tmp_path)
    path.write_text("CREATE 1; -- edited")
    with pytest.raises(MigrationError, match="0001_one was edited"):
        migrate(client, tmp_path)


def test_database_of_a_newer_release_stops_everything(tmp_path: Path) -> None:
    client: Any = FakeClient()
    path = tmp_path / "0001_one.sql"
    path.write_text("CREATE 1;")
    migrate(client, tmp_path)
    path.unlink()
    with pytest.raises(MigrationError, match="0001_one"):
        migrate(client, tmp_path)


def test_broken_off_migration_is_run_again(tmp_path: Path) -> None:
    class Failing(FakeClient):
        def execute(self, sql: str, rows: list[tuple[int, str, str]] | None = None) -> Any:
            if sql == "CREATE 2" and self.statements.count("CREATE 1") == 1:
                raise ConnectionError
            return super().execute(sql, rows)

    client: Any = Failing()
    (tmp_path / "0001_one.sql").write_text("CREATE 1; CREATE 2;")
    with pytest.raises(ConnectionError):
        migrate(client, tmp_path)
    assert migrate(client, tmp_path) == ["0001_one"]
    assert client.statements.count("CREATE 1") == 2
