"""What `readings` keeps as sums is what its rows give, whatever became of the rows."""

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest
from clickhouse_driver import Client

from analytics.period import Period
from analytics.question import Question
from analytics.reports.energy_finance import energy_and_finance
from infra.clickhouse.migrate import MIGRATIONS, migrate, read_migrations
from sinks.clickhouse.columns import table_rows
from sinks.clickhouse.writer import ClickHouseStore
from tests.integration.clickhouse_places import own_database
from tests.ledger_history import History, lines_of
from tests.model.generator import draw

SEEDS: Final = range(300, 315)

VIEWS: Final = {
    "account_day": "site, account, day",
    "meter_day": "site, meter, day",
    "readings_by_day": "site, account, meter, kind, partition, source, read_day, booked_day",
    "readings_by_month": "site, account, meter, kind, partition, source, booked_month",
}
STORED: Final = {"force_optimize_projection": 1}
FROM_ROWS: Final = {"optimize_use_projections": 0}
HOURS: Final = (
    "SELECT site, kind, toStartOfHour(read_at, 'Asia/Shanghai') AS hour, count(), sum(toInt128(consumption_milli)),"
    " sum(toInt128(amount_nano)) FROM readings GROUP BY site, kind, hour ORDER BY site, kind, hour"
)

ACCOUNT_DAYS_PLAINLY: Final = """
SELECT site, account, toDate(at, 'Asia/Shanghai') AS day, argMin(balance_nano - amount_nano, place),
    sumIf(amount_nano, kind IN ('recharge', 'sale')), -sumIf(amount_nano, kind IN ('refund', 'closing_refund')),
    sumIf(amount_nano, kind IN ('adjustment', 'reversal', 'opening')), -sumIf(amount_nano, kind = 'service_fee'),
    -sumIf(amount_nano, kind = 'fee'), sumIf(amount_nano, kind = 'share'), -sumIf(amount_nano, kind = 'deduction'),
    argMax(balance_nano, place)
FROM movements GROUP BY site, account, day ORDER BY site, account, day
"""
METER_DAYS_PLAINLY: Final = """
SELECT site, account, meter, kind, toDate(read_at, 'Asia/Shanghai') AS day, any(ratio), argMin(from_milli, moment),
    argMax(register_milli, moment), sum(rolled_milli), sum(consumption_milli), count()
FROM accepted_readings GROUP BY site, account, meter, kind, day ORDER BY site, meter, day
"""


class WithSettings(Client):  # type: ignore[misc]  # the driver has no types
    """A client that asks of `readings` under settings."""

    def __init__(self, client: Any, more: dict[str, int]) -> None:
        # The other one's connection and all else.
        self.__dict__ = {**client.__dict__, "more": more}

    def execute(self, sql: str, *given: Any, **options: Any) -> Any:
        more = self.more if "FROM readings" in sql else {}
        return super().execute(sql, *given, settings={**options.pop("settings", {}), **more}, **options)


@pytest.fixture(scope="module")
def history() -> History:
    history = History()
    for seed in SEEDS:
        history.take(seed % 2, lines_of(draw(seed).lines, prefix=f"{seed}-"), size=15)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streams.postings.PART_READINGS", 2)
        patch.setattr("streams.postings.FEW_ITEMS", 0)
        patch.setattr("streams.postings.LIST_BYTES", 1)
        history.take(2, lines_of(draw(400).lines, prefix="400-"), size=30)
    return history


@pytest.fixture(scope="module")
def kept(clickhouse: str, history: History) -> Iterator[Any]:
    """A database whose rows stay as they are."""
    yield from _written(clickhouse, history)


@pytest.fixture
def client(clickhouse: str, history: History) -> Iterator[Any]:
    """A database of the test's own."""
    yield from _written(clickhouse, history)


def _written(clickhouse: str, history: History) -> Iterator[Any]:
    with own_database(clickhouse, "stored") as url:
        history.write(url, block=50)
        client = Client.from_url(url)
        yield client
        client.disconnect()


def check(client: Any) -> None:
    """Every view from the stored sums, from the rows by the same view, and from the rows by other expressions."""
    for view, order in VIEWS.items():
        sql = f"SELECT * FROM {view} ORDER BY {order}"
        stored = client.execute(sql, settings=STORED)
        assert stored == client.execute(sql, settings=FROM_ROWS), view
        assert stored
    assert client.execute(HOURS, settings=STORED) == client.execute(HOURS, settings=FROM_ROWS)


def check_plainly(client: Any) -> None:
    """For rows that tie: where some are missing, an opening by sums is not the one by rows."""
    for view, plainly in (("account_day", ACCOUNT_DAYS_PLAINLY), ("meter_day", METER_DAYS_PLAINLY)):
        found = client.execute(f"SELECT * FROM {view} ORDER BY {VIEWS[view]}")
        assert found == client.execute(plainly, settings=FROM_ROWS), view
        assert len(found) > 50


def test_sums_are_those_of_the_rows_before_and_after_merges(kept: Any) -> None:
    check(kept)
    check_plainly(kept)
    kept.execute("OPTIMIZE TABLE readings FINAL")
    check(kept)
    check_plainly(kept)


@pytest.mark.parametrize(
    "period",
    [
        Period(date(2026, 1, 1), date(2026, 2, 1)),
        Period(date(2025, 12, 1), date(2026, 3, 1)),
        Period(date(2026, 1, 5), date(2026, 1, 6)),
        Period(date(2026, 1, 6), date(2026, 2, 3)),
    ],
    ids=lambda period: f"{period.first}-{period.end}",
)
def test_energy_and_finance_reads_the_sums(kept: Any, period: Period) -> None:
    frames = []
    for settings in (STORED, FROM_ROWS):
        frames.append(energy_and_finance(Question(WithSettings(kept, settings), period)))
    assert frames[0].equals(frames[1])
    assert len(frames[0]) > 20


def test_an_insert_that_is_repeated_under_its_token_changes_no_sum(
    client: Any, clickhouse: str, history: History
) -> None:
    ((database,),) = client.execute("SELECT currentDatabase()")
    store = ClickHouseStore(clickhouse.rsplit("/", 1)[0] + f"/{database}", sink="clickhouse")
    inserts = [rows for rows in table_rows(history.posted[:50], store.registry()) if rows.table == "readings"]
    seen = [client.execute(HOURS, settings=STORED)]
    for _ in range(2):
        for number, rows in enumerate(inserts):
            store.insert(rows, token=f"once more {number}")
        seen.append(client.execute(HOURS, settings=STORED))
    store.close()
    assert seen[0] != seen[1] == seen[2]
    check(client)


def test_rows_that_are_removed_are_removed_from_the_sums(client: Any) -> None:
    before = client.execute(HOURS, settings=STORED)
    client.execute(
        "ALTER TABLE readings DELETE WHERE partition = 1 AND posting_offset < 20", settings={"mutations_sync": 2}
    )
    assert client.execute(HOURS, settings=STORED) != before
    check(client)


@pytest.mark.parametrize("view", [*VIEWS, "movements", "accepted_readings", "meter_validity", "account_validity"])
def test_joins_with_nulls_change_no_view(kept: Any, view: str) -> None:
    """Whoever only reads may ask for them, and some tools always do."""
    sql = f"SELECT * FROM {view} ORDER BY ALL"
    assert kept.execute(sql, settings={"join_use_nulls": 1}) == kept.execute(sql)


def test_a_day_closes_with_its_last_batch_whatever_was_cut_in_parts(
    clickhouse: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def recharged(order_id: str) -> dict[str, str]:
        return {
            "at": "2026-03-01T01:00:00Z",
            "order": "recharge",
            "account": "A1",
            "order_id": order_id,
            "amount": "10",
        }

    history = History()
    opened = {"at": "2026-03-01T01:00:00Z", "order": "open_account", "account": "A1"}
    with monkeypatch.context() as patch:
        patch.setattr("streams.postings.FEW_ITEMS", 0)
        patch.setattr("streams.postings.LIST_BYTES", 1)
        history.take(0, [opened, recharged("R1"), recharged("R2")])
    history.take(0, [recharged("R3")])
    assert [each.postings.parts for each in history.posted] == [2, 2, 1]
    with own_database(clickhouse, "parts") as url, Client.from_url(url) as client:
        history.write(url)
        for nulls in (0, 1):
            day = client.execute(
                "SELECT opening_nano, recharged_nano, closing_nano FROM account_day",
                settings={"join_use_nulls": nulls},
            )
            assert day == [(0, 30 * 10**9, 30 * 10**9)]


def test_rows_from_before_the_sums_have_them_too(clickhouse: str, history: History, tmp_path: Path) -> None:
    """A database of the release before is brought up to date with its rows."""
    for file in sorted(MIGRATIONS.glob("*.sql"))[:13]:
        shutil.copy(file, tmp_path)
    with own_database(clickhouse, "older") as url:
        client = Client.from_url(url)
        ((name,),) = client.execute("SELECT currentDatabase()")
        # As that release left it: the same database, with nothing in it but its own migrations.
        client.execute(f"DROP DATABASE {name}")
        migrate(url, tmp_path)
        # Today's sink writes a column and a table that came later.
        (later,) = MIGRATIONS.glob("0015_*.sql")
        client.execute(later.read_text("utf-8"))
        (table, *_) = read_migrations()[18].statements()
        client.execute(table)
        history.write(url, block=100)
        days = client.execute(f"SELECT * FROM account_day ORDER BY {VIEWS['account_day']}")
        assert migrate(url)[0] == "0014_stored_days"
        assert client.execute(f"SELECT * FROM account_day ORDER BY {VIEWS['account_day']}") == days
        client.execute("ALTER TABLE readings MATERIALIZE PROJECTION by_day", settings={"mutations_sync": 2})
        check(client)
        check_plainly(client)
        client.disconnect()
