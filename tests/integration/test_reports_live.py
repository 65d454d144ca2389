"""Reports asked while the sink writes: a block's tables come one after the other."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from clickhouse_driver import Client

from analytics.errors import TieError
from analytics.period import Period
from analytics.question import Question
from analytics.reports.energy_finance import energy_and_finance
from tests.group_history import group_history
from tests.integration.clickhouse_places import own_database

MARCH = Period(date(2026, 3, 1), date(2026, 4, 1))
CLAIM = (
    "INSERT INTO sink_blocks (sink, number, partition, first_offset, next_offset, claimed_by)"
    " SELECT 'clickhouse', max(number) + 1, 0, 0, 1, 'test' FROM sink_positions WHERE sink = 'clickhouse'"
)
FINISH = (
    "INSERT INTO sink_positions (sink, partition, next_offset, number)"
    " SELECT 'clickhouse', 0, 1, max(number) FROM sink_blocks WHERE sink = 'clickhouse'"
)


@pytest.fixture
def client(clickhouse: str) -> Iterator[Any]:
    """Three days of the group, without its last recharges: as if these were yet to be written."""
    with own_database(clickhouse, "live") as url:
        group_history(3).write(url)
        with Client.from_url(url) as client:
            client.execute("RENAME TABLE entries TO entries_all")
            client.execute("CREATE VIEW entries AS SELECT * FROM entries_all WHERE at < '2026-03-02 00:00:00'")
            yield client
            client.execute("DROP VIEW IF EXISTS entries")


def group_row(frame: Any) -> dict[str, Any]:
    (row,) = frame[frame["level"] == "group"].to_dict("records")
    return {str(name): value for name, value in row.items()}


def test_a_block_that_is_being_written_is_waited_for(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client.execute(CLAIM)
    pauses = []

    def pause(seconds: float) -> None:
        """Meanwhile the sink finishes its block."""
        pauses.append(seconds)
        if len(pauses) == 3:
            client.execute("DROP VIEW entries")
            client.execute("RENAME TABLE entries_all TO entries")
            client.execute(FINISH)

    monkeypatch.setattr("analytics.settled.sleep", pause)
    row = group_row(energy_and_finance(Question(client, MARCH)))
    assert len(pauses) == 3
    ((recharged,),) = client.execute("SELECT sum(amount_nano) FROM entries WHERE kind = 'recharge'")
    assert row["recharged_nano"] == recharged
    client.execute("RENAME TABLE entries TO entries_all")


def test_a_block_that_is_finished_meanwhile_is_looked_at_again(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was begun before the first look and is over after it: then nothing waits, but what was read is torn."""
    monkeypatch.setattr("analytics.settled.sleep", lambda _: None)
    asked: list[str] = []
    execute = client.execute

    def executed(sql: str, *arguments: Any, **options: Any) -> Any:
        answer = execute(sql, *arguments, **options)
        asked.append(sql)
        if "batch_parts" in sql and "entries_all" not in "".join(asked):
            # The rows were read; now the rest of the block comes.
            for statement in ("DROP VIEW entries", "RENAME TABLE entries_all TO entries", CLAIM, FINISH):
                execute(statement)
            asked.append("entries_all")
        return answer

    monkeypatch.setattr(client, "execute", executed)
    assert group_row(energy_and_finance(Question(client, MARCH)))["level"] == "group"
    execute("RENAME TABLE entries TO entries_all")


def test_rows_that_no_block_explains_stop_the_report_at_once(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("analytics.settled.sleep", pauses.append)
    with pytest.raises(TieError, match="sluice audit"):
        energy_and_finance(Question(client, MARCH))
    assert pauses == []


def test_a_block_that_is_never_finished_stops_the_report_in_the_end(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.execute(CLAIM)
    pauses: list[float] = []
    monkeypatch.setattr("analytics.settled.sleep", pauses.append)
    with pytest.raises(TieError, match="does not get on"):
        energy_and_finance(Question(client, MARCH))
    assert sum(pauses) == 5
