"""Sites, buildings, places and accounts: from when until when each was, as the database tells it."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from clickhouse_driver import Client

from analytics.errors import AnalyticsError
from analytics.filed_places import file_places, places_of
from analytics.period import Period
from analytics.places import Place
from analytics.question import Question
from analytics.reports.zones import zones
from tests.integration.clickhouse_places import own_database
from tests.ledger_history import History

BEGIN, LATER, CLOSED = "2026-03-01T00:00:00Z", "2026-03-05T02:00:00Z", "2026-03-09T00:00:00Z"
METER = {"kind": "electricity", "tariff": "E", "register": "100", "ratio": 1, "digits": 6}
TARIFF = {
    "tariff": "E",
    "from": BEGIN,
    "unit": "kWh",
    "cycle": "month",
    "tiers": ["0"],
    "components": {"supply": {"all": ["0.5"]}},
}


def order(at: str, site: str, name: str, **fields: Any) -> dict[str, Any]:
    return {"at": at, "site": site, "order": name, **fields}


LINES = [
    order(BEGIN, "S1", "set_tariff", **TARIFF),
    order(BEGIN, "S1", "open_account", account="A1"),
    order(BEGIN, "S1", "open_account", account="EMPTY"),
    order(BEGIN, "S1", "install_meter", account="A1", meter="M1", **METER),
    order(BEGIN, "S1", "install_meter", account="A1", meter="M2", **METER),
    order(LATER, "S1", "replace_meter", meter="M1", final="103", new_meter="M1N", register="0"),
    order(LATER, "S2", "open_account", account="A2"),
    order(CLOSED, "S1", "close_account", account="EMPTY", finals={}),
    order(CLOSED, "S2", "close_account", account="A2", finals={}),
]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.fixture(scope="module")
def client(clickhouse: str) -> Iterator[Any]:
    history = History()
    history.take(0, LINES)
    assert [refusal for site in history.sites() for each in history.outcomes(site) for refusal in each.refusals] == []
    with own_database(clickhouse, "validity") as url:
        history.write(url)
        with Client.from_url(url) as client:
            yield client


def day_begins(text: str) -> datetime:
    """A local day's beginning, in UTC."""
    return datetime.fromisoformat(f"{text}T00:00:00+08:00").astimezone(UTC)


@pytest.fixture(scope="module")
def filed(client: Any) -> Any:
    first = {("S1", "M1"): Place("M1", "East", "E-1", 50_500), ("S1", "M2"): Place("M2", "East", "E-2")}
    file_places(client, first, valid_from=date(2026, 3, 1), filed_at_ms=1_000)
    file_places(client, {("S1", "M2"): Place("M2", "Wrong")}, valid_from=date(2026, 3, 20), filed_at_ms=2_000)
    file_places(client, {("S1", "M2"): Place("M2", "West", "W-1", 1)}, valid_from=date(2026, 3, 20), filed_at_ms=3_000)
    return client


def test_an_account_that_had_nothing_is_over_when_it_was_closed(client: Any) -> None:
    found = client.execute("SELECT site, account, valid_from, valid_until FROM account_validity ORDER BY ALL")
    assert found == [
        ("S1", "A1", moment(BEGIN), None),
        ("S1", "EMPTY", moment(BEGIN), moment(CLOSED)),
        ("S2", "A2", moment(LATER), moment(CLOSED)),
    ]


def test_an_account_that_was_closed_before_closings_were_told(client: Any) -> None:
    kept = client.execute("SELECT * FROM closings")
    client.execute("TRUNCATE TABLE closings")
    try:
        over = client.execute("SELECT account FROM account_validity WHERE valid_until IS NOT NULL")
        assert over == []
    finally:
        client.execute("INSERT INTO closings VALUES", kept)


def test_a_site_is_over_when_all_its_accounts_are(client: Any) -> None:
    found = client.execute(
        "SELECT site, accounts, open_accounts, valid_from, valid_until FROM site_validity ORDER BY site"
    )
    assert found == [("S1", 2, 1, moment(BEGIN), None), ("S2", 1, 0, moment(LATER), moment(CLOSED))]


def test_a_filing_holds_until_the_next_of_its_meter(filed: Any) -> None:
    found = filed.execute(
        "SELECT meter, building, circuit, area_milli, valid_from, valid_until FROM place_validity ORDER BY ALL"
    )
    assert found == [
        ("M1", "East", "E-1", 50_500, day_begins("2026-03-01"), None),
        ("M2", "East", "E-2", 0, day_begins("2026-03-01"), day_begins("2026-03-20")),
        ("M2", "West", "W-1", 1, day_begins("2026-03-20"), None),
    ]


def test_a_building_is_over_when_no_meter_hangs_there(filed: Any) -> None:
    ask = "SELECT building, meters, valid_from, valid_until FROM building_validity ORDER BY building"
    assert filed.execute(ask) == [
        ("East", 2, day_begins("2026-03-01"), None),
        ("West", 1, day_begins("2026-03-20"), None),
    ]
    file_places(filed, {("S1", "M1"): Place("M1")}, valid_from=date(2026, 4, 1), filed_at_ms=4_000)
    try:
        assert filed.execute(ask)[0] == ("East", 2, day_begins("2026-03-01"), day_begins("2026-04-01"))
        april = places_of(Question(filed, Period(date(2026, 4, 1), date(2026, 5, 1))))
        assert {meter for _, meter in april} == {"M2"}
    finally:
        filed.execute(
            "ALTER TABLE places DELETE WHERE filed_at = fromUnixTimestamp64Milli(4000) SETTINGS mutations_sync = 2"
        )


@pytest.mark.parametrize(
    ("end", "building"), [(date(2026, 3, 20), "East"), (date(2026, 3, 21), "West")], ids=["before", "after"]
)
def test_reports_take_what_held_on_the_last_day(filed: Any, end: date, building: str) -> None:
    found = places_of(Question(filed, Period(date(2026, 3, 1), end)))
    # What replaced a meter hangs where it hung.
    assert {meter: (place.seat, place.building) for (_, meter), place in found.items()} == {
        "M1": ("M1", "East"),
        "M1N": ("M1", "East"),
        "M2": ("M2", building),
    }


def test_what_replaced_a_meter_can_be_taken_out_of_its_place(filed: Any) -> None:
    """It hangs where the old one hung only as long as nobody says otherwise."""
    file_places(filed, {("S1", "M1N"): Place("M1N")}, valid_from=date(2026, 4, 1), filed_at_ms=5_000)
    try:
        april = places_of(Question(filed, Period(date(2026, 4, 1), date(2026, 5, 1))))
        assert {meter for _, meter in april} == {"M1", "M2"}
        march = places_of(Question(filed, Period(date(2026, 3, 1), date(2026, 4, 1))))
        assert {meter for _, meter in march} == {"M1", "M1N", "M2"}
    finally:
        filed.execute(
            "ALTER TABLE places DELETE WHERE filed_at = fromUnixTimestamp64Milli(5000) SETTINGS mutations_sync = 2"
        )


def test_a_file_comes_before_what_was_filed(filed: Any, tmp_path: Path) -> None:
    path = tmp_path / "places.csv"
    path.write_text("site,meter,building\nS1,M1,North\n")
    frame = zones(Question(filed, Period(date(2026, 3, 1), date(2026, 4, 1)), places=path))
    assert {row["building"] for row in frame.to_dict("records") if row["level"] == "building"} == {"North"}


def test_a_filing_with_an_unknown_meter_files_nothing(filed: Any) -> None:
    before = filed.execute("SELECT count() FROM places")
    wrong = {("S1", "M1"): Place("M1", "X"), ("S2", "M1"): Place("M1", "X")}
    with pytest.raises(AnalyticsError, match="site S2 has no meter M1; nothing was filed"):
        file_places(filed, wrong, valid_from=date(2026, 3, 1), filed_at_ms=9_000)
    assert filed.execute("SELECT count() FROM places") == before
