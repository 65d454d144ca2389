"""Reports over what was not heard: masters, meters and whole sites that were away, periods that are not over."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from clickhouse_driver import Client

from analytics.period import Period
from analytics.question import Question
from analytics.reports.arrears import arrears
from analytics.reports.events import commands
from analytics.reports.losses import losses
from analytics.reports.rounds import completeness, silent
from analytics.reports.theft import theft
from analytics.reports.usage import ranking
from tests.integration.clickhouse_places import own_database
from tests.ledger_history import History, Line

BEGIN = datetime(2026, 2, 27, 16, tzinfo=UTC)
"""28 February, local midnight."""
MARCH = Period(date(2026, 3, 1), date(2026, 4, 1))
DAYS = 12
"""So many days there are: the last is 11 March, and March is not over."""
HOUR_WH = 1_000
SEEN = {"S1-M": 1, "S1-A": 2, "S1-B": 4, "S1-GONE": 2, "S2-C": 3}
"""Meters that are read every hour, and the gateway of each."""

Rows = list[dict[str, Any]]


def text(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def is_heard(meter: str, at: datetime) -> bool:
    day, hour = divmod((at - BEGIN) // timedelta(hours=1), 24)
    if meter == "S1-M":
        # Away over midnight, and once for three hours of a day.
        return not ((day, hour) in [(3, 22), (3, 23), (4, 0), (4, 1)] or (day == 7 and hour in (9, 10, 11)))
    if meter == "S1-GONE":
        return day < 1
    return meter != "S2-C" or day < 6


def lines() -> Iterator[Line]:
    def order(site: str, name: str, at: datetime = BEGIN, /, **fields: Any) -> Line:
        return {"at": text(at), "site": site, "order": name, **fields}

    def install(site: str, meter: str, gateway: int) -> Line:
        return order(
            site, "install_meter", account=f"A-{meter}", meter=meter, kind="electricity", tariff="E", register="0",
            ratio=1, gateway=f"G{gateway}", address=str(len(meter) * 10 + gateway), template="dtsy1352",
        )  # fmt: skip

    for site in ("S1", "S2"):
        yield order(
            site, "set_tariff", BEGIN, tariff="E", **{"from": text(BEGIN)}, unit="kWh", cycle="month", tiers=["0"],
            components={"supply": {"all": ["0.5"]}},
        )  # fmt: skip
    for meter, gateway in [*SEEN.items(), ("S1-NEVER", 2)]:
        yield order(meter[:2], "open_account", account=f"A-{meter}")
        yield order(meter[:2], "recharge", account=f"A-{meter}", order_id=f"R-{meter}", amount="250")
        yield install(meter[:2], meter, gateway)
    yield order("S1", "open_account", account="A-ZERO")
    old, base = "S1-M", 0
    for number in range(1, 24 * DAYS):
        at = BEGIN + timedelta(hours=number)
        if at == BEGIN + timedelta(days=9, hours=12):
            yield order("S1", "replace_meter", at, meter="S1-M", final=str(2 * number), new_meter="S1-M2", register="0")
            old, base = "S1-M2", 2 * number
        for meter in SEEN:
            if is_heard(meter, at) and not (meter == "S1-M" and base == 2 * number):
                shown = 2 * number - base if meter == "S1-M" else number
                yield {
                    "at": text(at + timedelta(seconds=2)),
                    "site": meter[:2],
                    "reading": {
                        "meter": old if meter == "S1-M" else meter,
                        "register": str(shown),
                        "read_at": text(at),
                        "supply": "off" if meter == "S1-A" and number in (101, 102) else "on",
                    },
                }
        if number == 48:
            yield order("S1", "close_account", at, account="A-ZERO", finals={})
        if number == 100:
            yield order("S1", "control", at + timedelta(minutes=1), meter="S1-A", action="cut")
            yield order("S1", "control", at + timedelta(minutes=2), meter="S1-A", action="sync_time")
        if number == 102:
            yield order("S1", "control", at + timedelta(minutes=1), meter="S1-A", action="restore")


@pytest.fixture(scope="module")
def client(clickhouse: str) -> Iterator[Any]:
    history = History()
    history.take(0, lines())
    assert [refusal for site in history.sites() for each in history.outcomes(site) for refusal in each.refusals] == []
    with own_database(clickhouse, "gaps") as url:
        history.write(url)
        with Client.from_url(url) as client:
            yield client


def rows(frame: Any, **chosen: Any) -> Rows:
    found: Rows = frame.to_dict("records")
    return [row for row in found if all(row[name] == value for name, value in chosen.items())]


def wiring(folder: Path) -> Path:
    path = folder / "wiring.toml"
    path.write_text('[[master]]\nsite = "S1"\nmeter = "S1-M"\nsubs = ["S1-A", "S1-B"]\n')
    return path


def test_a_master_that_was_away_has_no_loss(client: Any, tmp_path: Path) -> None:
    """What it shows when it is back flowed through the subs meanwhile; the meter that replaced it counts on."""
    frame = losses(Question(client, MARCH, meters=wiring(tmp_path)))
    assert {row["loss_milli"] for row in rows(frame)} == {0}
    assert {row["unexplained"] for row in rows(frame)} == {False}
    (total,) = rows(frame, level="total")
    assert total["master_milli"] == total["subs_milli"] == 2 * HOUR_WH * 24 * (DAYS - 1)
    (back,) = (row for row in rows(frame, level="hour") if (row["day"], row["hour"]) == (date(2026, 3, 4), 2))
    assert back["master_milli"] == 5 * 2 * HOUR_WH
    assert (back["subs_expected"], back["subs_heard"]) == (2, 2)


def test_what_flowed_before_there_was_a_master_is_no_loss(client: Any, tmp_path: Path) -> None:
    path = tmp_path / "wiring.toml"
    path.write_text('[[master]]\nsite = "S1"\nmeter = "S1-M2"\nsubs = ["S1-A", "S1-B"]\n')
    frame = losses(Question(client, MARCH, meters=path))
    assert [row["day"].day for row in rows(frame, level="day")] == [9, 10, 11]
    assert {row["loss_milli"] for row in rows(frame, level="day") if row["day"].day > 9} == {0}
    # In the hour of the replacement a part flowed past the new one.
    (total,) = rows(frame, level="total")
    assert abs(total["loss_milli"]) <= 2 * 2 * HOUR_WH


def test_a_master_that_was_away_makes_nobody_a_thief(client: Any, tmp_path: Path) -> None:
    assert rows(theft(Question(client, MARCH, site="S1", meters=wiring(tmp_path)))) == []


def test_meters_that_were_not_heard_lack_all_their_readings(client: Any) -> None:
    """One fell silent in February, one was never heard; the second site is away from 5 March on."""
    frame = completeness(Question(client, MARCH))
    meters = {row["meter"]: (row["expected"], row["received"]) for row in rows(frame, level="meter")}
    expected = 24 * (DAYS - 1) - 1
    assert meters["S1-A"] == (expected, expected + 1)
    assert meters["S1-GONE"] == (expected, 0)
    assert meters["S1-NEVER"] == (expected, 0)
    assert meters["S2-C"] == (expected, 24 * 5)
    (site,) = rows(frame, level="site", site="S2")
    assert site["completeness_bp"] == 24 * 5 * 10_000 // expected
    (alone,) = rows(completeness(Question(client, MARCH, site="S2")), level="site")
    assert alone == site


def test_a_site_that_is_away_is_silent(client: Any) -> None:
    found = {row["meter"]: row["status"] for row in rows(silent(Question(client, MARCH)))}
    assert found == {"S1-GONE": "lost", "S1-NEVER": "never", "S2-C": "lost"}
    assert [row["meter"] for row in rows(silent(Question(client, MARCH, site="S2")))] == ["S2-C"]


def test_days_that_are_to_come_do_not_make_a_balance_last(client: Any) -> None:
    """It is 11 March: what 11 days of March took is not what 31 will take."""
    found = {row["account"]: row for row in rows(arrears(Question(client, MARCH)))}
    row = found["A-S1-B"]
    assert row["deducted_a_day_nano"] == pytest.approx(24 * HOUR_WH * 500_000, rel=0.01)
    assert row["days_left"] == row["balance_nano"] // row["deducted_a_day_nano"]
    over = Period(date(2026, 3, 1), date(2026, 3, 12))
    assert [row for row in rows(arrears(Question(client, over))) if row["account"] == "A-S1-B"] == [row]


def test_days_that_are_to_come_are_not_held_against_a_month_before(client: Any) -> None:
    """Of February there is the 28th alone, and of March that day is to come."""
    (row,) = rows(ranking(Question(client, MARCH)), meter="S1-B")
    assert (row["month_before_milli"], row["month_over_month_bp"]) == (None, None)
    assert row["consumption_milli"] == 24 * (DAYS - 1) * HOUR_WH


def test_an_account_that_was_closed_with_nothing_is_closed(client: Any) -> None:
    statuses = {row["account"]: row["status"] for row in rows(arrears(Question(client, MARCH)))}
    assert [account for account, status in statuses.items() if status == "closed"] == ["A-ZERO"]
    before = rows(arrears(Question(client, Period(date(2026, 2, 28), date(2026, 3, 1)))), account="A-ZERO")
    assert [row["status"] for row in before] == ["ok"]


def test_setting_a_clock_overtakes_no_cut(client: Any) -> None:
    """And a reading that reports a supply confirms no clock."""
    found = [(row["action"], row["status"]) for row in rows(commands(Question(client, MARCH)), meter="S1-A")]
    assert found == [("cut", "confirmed"), ("sync_time", "sent"), ("restore", "confirmed")]


def test_a_meter_that_is_heard_once_is_expected_as_often_as_before(clickhouse: str) -> None:
    """Its one gap in the period began before it, with its silence."""
    site = "S9"

    def line(at: datetime, **fields: Any) -> Line:
        return {"at": text(at), "site": site, **fields}

    def told(meter: str, hour: int) -> Line:
        at = BEGIN + timedelta(hours=hour)
        return line(at, reading={"meter": meter, "register": str(hour), "read_at": text(at)})

    history = History()
    opening = [line(BEGIN, order="open_account", account="A")]
    for address, meter in enumerate(("ONCE", "ALWAYS"), 1):
        given = {"account": "A", "meter": meter, "kind": "electricity", "register": "0", "ratio": 1}
        placed = {"gateway": f"G{address}", "address": str(address), "template": "dtsy1352"}
        opening.append(line(BEGIN, order="install_meter", **given, **placed))
    readings = [
        told(meter, hour)
        for hour in range(1, 24 * DAYS)
        for meter in ("ONCE", "ALWAYS")
        if meter == "ALWAYS" or hour < 24 or hour == 150
    ]
    history.take(0, [*opening, *readings])
    with own_database(clickhouse, "once") as url:
        history.write(url)
        with Client.from_url(url) as client:
            (once,) = rows(completeness(Question(client, MARCH)), level="meter", meter="ONCE")
            assert (once["received"], once["expected"], once["interval_took_ms"]) == (1, 24 * DAYS - 25, 3_600_000)
            # A day in which it was not heard tells of no interval.
            of_day = Period(MARCH.first, date(2026, 3, 2))
            assert rows(silent(Question(client, of_day)), meter="ONCE")[0]["interval_took_ms"] == 3_600_000
