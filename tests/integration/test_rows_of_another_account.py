"""A row of readings that names another account than its meter's: the report of all money stops, the audit names it.

The ledger writes none: a meter stays with the account that it was installed for. It is damage, by a person or a disk.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any, Final

import pytest
from clickhouse_driver import Client

from analytics.audit import audit
from analytics.errors import TieError
from analytics.period import Period
from analytics.question import Question
from analytics.reports.energy_finance import energy_and_finance
from tests.integration.clickhouse_places import own_database
from tests.ledger_history import History

BEGIN: Final = "2026-01-01T00:00:00Z"
READ: Final = ("2026-01-10T00:00:00Z", "2026-01-20T00:00:00Z")
METER: Final = {"kind": "electricity", "tariff": "E", "register": "100", "ratio": 1, "digits": 6}
TARIFF: Final = {
    "tariff": "E",
    "from": BEGIN,
    "unit": "kWh",
    "cycle": "month",
    "tiers": ["0"],
    "components": {"supply": {"all": ["0.5"]}},
}
PERIODS: Final = [
    Period(date(2026, 1, 1), date(2026, 2, 1)),
    Period(date(2026, 1, 15), date(2026, 1, 25)),
    Period(date(2026, 1, 25), date(2026, 2, 10)),
    Period(date(2026, 2, 1), date(2026, 3, 1)),
    Period(date(2026, 6, 1), date(2026, 7, 1)),
]


def order(name: str, **fields: Any) -> dict[str, Any]:
    return {"at": BEGIN, "site": "S1", "order": name, **fields}


def reading(at: str, meter: str, register: str) -> dict[str, Any]:
    return {"at": at, "site": "S1", "reading": {"meter": meter, "register": register, "read_at": at}}


LINES: Final = [
    order("set_tariff", **TARIFF),
    *(order("open_account", account=account) for account in ("A1", "A2")),
    *(order("install_meter", account=f"A{number}", meter=f"M{number}", **METER) for number in (1, 2)),
    *(
        reading(at, meter, register)
        for at, register in zip(READ, ("110", "130"), strict=True)
        for meter in ("M1", "M2")
    ),
    # So that only the first account is asked for once more.
    reading("2026-05-10T00:00:00Z", "M2", "140"),
]


@pytest.fixture(scope="module")
def client(clickhouse: str) -> Iterator[Any]:
    history = History()
    history.take(0, LINES)
    with own_database(clickhouse, "moved") as url:
        history.write(url)
        with Client.from_url(url) as client:
            yield client


ROWS: Final = {
    "the-last": f"read_at = parseDateTime64BestEffort('{READ[1]}', 3, 'UTC')",
    "one-between": f"read_at = parseDateTime64BestEffort('{READ[0]}', 3, 'UTC')",
    "all": "1",
}


@contextmanager
def moved(client: Any, row: str) -> Iterator[None]:
    """While inside, the rows of the first meter for which a condition holds name the second account."""
    client.execute("CREATE TABLE readings_kept AS readings")
    client.execute("INSERT INTO readings_kept SELECT * FROM readings")
    change = f"if(meter = 'M1' AND {row}, 'A2', account) AS account"
    try:
        client.execute("TRUNCATE TABLE readings")
        client.execute(f"INSERT INTO readings SELECT * REPLACE ({change}) FROM readings_kept")
        yield
    finally:
        client.execute("TRUNCATE TABLE readings")
        client.execute("INSERT INTO readings SELECT * FROM readings_kept")
        client.execute("DROP TABLE readings_kept")


@pytest.mark.parametrize("period", PERIODS, ids=lambda period: f"{period.first}-{period.end}")
@pytest.mark.parametrize("row", list(ROWS.values()), ids=list(ROWS))
def test_energy_and_finance_tells_nothing(client: Any, row: str, period: Period) -> None:
    """In whatever period: before it the row is one of the last that its meter or account has."""
    question = Question(client, period)
    told = energy_and_finance(question)
    with moved(client, row), pytest.raises(TieError, match="meter M1: a reading names another account; `sluice audit`"):
        energy_and_finance(question)
    assert energy_and_finance(question).equals(told)


@pytest.mark.parametrize("row", list(ROWS.values()), ids=list(ROWS))
def test_the_audit_names_the_meter_and_the_account_that_has_too_much(client: Any, row: str) -> None:
    with moved(client, row):
        found = {check.name: [fault.key for fault in check.faults] for check in audit(client) if check.wrong}
    assert found["registers"] == ["site S1, meter M1"]
    assert set(found["balances"]) >= {"site S1, account A2"}
    assert [check.name for check in audit(client) if check.wrong] == []


@pytest.mark.parametrize("row", list(ROWS.values()), ids=list(ROWS))
def test_daily_tables_lose_nothing_of_it(client: Any, row: str) -> None:
    """They tell what the rows say: whose it was is wrong, how much it was is not."""
    sums = (
        "SELECT sum(deducted_nano) FROM account_day",
        "SELECT meter, sum(consumption_milli), sum(readings) FROM meter_day GROUP BY meter ORDER BY meter",
        "SELECT meter, sum(quantity_milli), sum(amount_nano) FROM meter_day_cells GROUP BY meter ORDER BY meter",
    )
    before = [client.execute(sql) for sql in sums]
    with moved(client, row):
        assert [client.execute(sql) for sql in sums] == before
        told = dict(client.execute("SELECT account, sum(deducted_nano) FROM account_day GROUP BY account"))
        assert told == dict(client.execute("SELECT account, sum(amount_nano) FROM readings GROUP BY account"))
