"""Names of any characters come through the sink, the audit and the reports as they are, each apart from all others."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import pytest
from clickhouse_driver import Client

from analytics.audit import audit
from analytics.period import Period
from analytics.question import Question
from analytics.reports.arrears import arrears
from analytics.reports.energy_finance import energy_and_finance
from tests.integration.clickhouse_places import own_database
from tests.ledger_history import History, Line

BEGIN: Final = "2026-01-01T00:00:00Z"
READ: Final = {"2026-01-02T00:30:00Z": 1, "2026-01-03T05:00:00Z": 3, "2026-05-03T05:00:00Z": 9}
SITES: Final = ("S1", "S'\\", "{days}", "%(end)s", "户")
QUOTES: Final = ("A'1\\", "A\\0", "--x;", "%s", "%(first)s", "{site}", "{chosen}")
ZEROS: Final = ("A", "A\0", "A\0\0", "\0A", "\0")
SPACES: Final = (" ", "A\n\t\b", "A\u2028B", "\x1f\x7f", "é", "e\u0301", "户😀", "a" * 900)
VALUES: Final = ("nan", "None", "0", "-1", "NULL")
NAMES: Final = (*QUOTES, *ZEROS, *SPACES, *VALUES)
TARIFF: Final = {
    "tariff": "E'\\0",
    "from": BEGIN,
    "unit": "kWh",
    "cycle": "month",
    "tiers": ["0"],
    "bands": {"pe'ak\\": ["08:00-11:00"], "\0": []},
    "components": {"su'p": {"pe'ak\\": ["1.2"], "\0": ["0.5"]}},
}
METER: Final = {"kind": "electricity", "tariff": "E'\\0", "register": "100"}


@dataclass(frozen=True, slots=True)
class World:
    client: Any
    history: History


def lines(site: str) -> Iterator[Line]:
    def order(name: str, **fields: Any) -> Line:
        return {"at": BEGIN, "site": site, "order": name, **fields}

    yield order("set_tariff", **TARIFF)
    for place, name in enumerate(NAMES, start=1):
        yield order("open_account", account=name)
        yield order("install_meter", account=name, meter=name, gateway=name, address=str(place), **METER)
        yield order("recharge", account=name, order_id=name, amount="5", channel=name, operator=name)
        yield order("adjust", account=name, order_id=f"{name}.", amount="-1", reason=name, operator=name)
    for at, used in READ.items():
        for place, name in enumerate(NAMES):
            register = str(100 + place + used)
            yield {"at": at, "site": site, "reading": {"meter": name, "register": register, "read_at": at}}


@pytest.fixture(scope="module")
def world(clickhouse: str) -> Iterator[World]:
    history = History()
    for partition, site in enumerate(SITES):
        history.take(partition, lines(site))
        assert [outcome.refusals for outcome in history.outcomes(site) if outcome.refusals] == []
    with own_database(clickhouse, "odd") as url:
        history.write(url, block=3)
        with Client.from_url(url) as client:
            yield World(client, history)


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("readings", ("account", "meter", "gateway")),
        ("meters", ("account", "meter", "gateway")),
        ("accounts", ("account",)),
        ("entries", ("account", "operator")),
        ("meter_day", ("account", "meter")),
        ("account_day", ("account",)),
    ],
)
def test_they_are_as_they_were(world: World, table: str, columns: tuple[str, ...]) -> None:
    found = set(world.client.execute(f"SELECT DISTINCT site, {', '.join(columns)} FROM {table}"))
    assert found == {(site, *[name] * len(columns)) for site in SITES for name in NAMES}


def test_the_audit_holds(world: World) -> None:
    assert [check.name for check in audit(world.client) if check.wrong] == []


@pytest.mark.parametrize(
    "period",
    [
        Period(date(2026, 1, 1), date(2026, 6, 1)),
        Period(date(2026, 5, 2), date(2026, 5, 10)),
        # Months after the last row, which are asked for by name.
        Period(date(2026, 8, 1), date(2026, 9, 1)),
    ],
    ids=lambda period: f"{period.first}-{period.end}",
)
def test_reports_tell_the_balances_of_the_ledger(world: World, period: Period) -> None:
    expected = {
        (site, account): balance for site in SITES for account, balance in world.history.site(site).balances().items()
    }
    assert len(expected) == len(SITES) * len(NAMES)
    question = Question(world.client, period)
    rows = energy_and_finance(question).to_dict("records")
    told = {(row["site"], row["account"]): row["closing_nano"] for row in rows if row["level"] == "account"}
    assert told == expected
    meters = {(row["site"], row["account"], row["meter"]) for row in rows if row["level"] == "meter"}
    assert meters == {(site, name, name) for site in SITES for name in NAMES}
    owing = arrears(question).to_dict("records")
    assert owing
    assert {(row["site"], row["account"]): row["balance_nano"] for row in owing if row["account"] is not None} == {
        key: balance for key, balance in expected.items() if key in {(row["site"], row["account"]) for row in owing}
    }
