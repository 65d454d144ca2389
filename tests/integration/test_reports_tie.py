"""Energy and finance, usage and the daily tables equal what is reckoned from the core's outcomes in plain Python."""

from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from clickhouse_driver import Client

from analytics.errors import TieError
from analytics.period import Period, day_start_ms
from analytics.question import Question
from analytics.reports.collections import collections
from analytics.reports.energy_finance import MONEY, energy_and_finance, printed
from analytics.reports.sales import printed as printed_sales
from analytics.reports.sales import sales
from analytics.reports.usage import usage, usage_hours
from tests import reckoning
from tests.integration.clickhouse_places import own_database
from tests.integration.drawn_world import DrawnWorld, drawn_world
from tests.ledger_history import History, Line
from tests.reckoning import nano

SEEDS = range(100, 130)
EPOCH = date(1970, 1, 1)
ALL = Period(date(2000, 1, 1), date(2100, 1, 1))
PERIODS = [
    ALL,
    Period(date(2026, 1, 5), date(2026, 1, 6)),
    Period(date(2026, 1, 6), date(2026, 2, 1)),
    Period(date(2026, 2, 1), date(2026, 3, 1)),
    Period(date(2025, 12, 31), date(2026, 1, 1)),
    Period(date(2024, 3, 1), date(2026, 5, 1)),
]


def rows(world: DrawnWorld, period: Period, level: str) -> dict[Any, dict[Any, Any]]:
    """The report's rows of a level by site and name."""
    frame = energy_and_finance(Question(world.client, period))
    names = ["site", "meter"] if level == "meter" else ["site", "account"]
    return {tuple(row[name] for name in names): row for row in records(frame, level)}


def records(frame: Any, level: str) -> list[dict[Any, Any]]:
    rows: list[dict[Any, Any]] = frame[frame["level"] == level].to_dict("records")
    return rows


@pytest.fixture(scope="module")
def world(clickhouse: str) -> Iterator[DrawnWorld]:
    with drawn_world(clickhouse, "reports", SEEDS) as world:
        yield world


@pytest.mark.parametrize("period", PERIODS, ids=lambda period: f"{period.first}-{period.end}")
def test_accounts_and_meters_are_as_reckoned(world: DrawnWorld, period: Period) -> None:
    accounts, meters = rows(world, period, "account"), rows(world, period, "meter")
    for site in world.history.sites():
        expected = reckoning.reckon(world.history, site, period.first_ms, period.end_ms)
        assert {name for of, name in accounts if of == site} == set(expected.accounts)
        for name, money in expected.accounts.items():
            found = [accounts[site, name][column] for column in MONEY]
            assert found == [
                money.opening,
                money.recharged,
                money.refunded,
                money.adjusted,
                money.service_fees,
                money.fees,
                money.shared,
                money.deducted,
                money.closing,
            ], (site, name)
        in_use = {name: meter for name, meter in expected.meters.items() if not meter.over_before or meter.deducted}
        assert {name for of, name in meters if of == site} == set(in_use)
        for name, meter in in_use.items():
            row = meters[site, name]
            shown = (row["opening_register_milli"], row["closing_register_milli"], row["ratio"], row["deducted_nano"])
            assert shown == (meter.opening, meter.closing, meter.ratio, meter.deducted), (site, name)
            assert (row["account"], row[f"{meter.kind}_milli"]) == (meter.account, meter.consumption), (site, name)


def test_the_slow_model_agrees(world: DrawnWorld) -> None:
    accounts, meters = rows(world, ALL, "account"), rows(world, ALL, "meter")
    for prefix, output in world.models.items():
        of_seed = {name: row for (site, name), row in accounts.items() if site.startswith(prefix)}
        assert of_seed.keys() == output["accounts"].keys()
        for name, told in output["accounts"].items():
            sums = {column: nano(told.get(column.removesuffix("_nano"), "0")) for column in MONEY[1:-1]}
            assert sums == {column: of_seed[name][column] for column in sums}, (prefix, name)
            assert of_seed[name]["closing_nano"] == nano(told["balance"])
        used = {
            name: (row["electricity_milli"] or row["water_milli"] or 0, row["deducted_nano"])
            for (site, name), row in meters.items()
            if site.startswith(prefix)
        }
        assert used == {
            name: (nano(told["consumption"]) // 10**6, nano(told["amount"])) for name, told in output["meters"].items()
        }


def test_sales_are_all_entries_in_the_ledgers_order(world: DrawnWorld) -> None:
    frame = sales(Question(world.client, ALL))
    told: dict[str, list[Any]] = {}
    for row in records(frame, "entry"):
        told.setdefault(row["site"], []).append((row["kind"], row["amount_nano"], row["balance_nano"]))
    entries = {
        site: [
            (each.kind, each.amount, each.balance)
            for outcome in world.history.outcomes(site)
            for each in outcome.entries
        ]
        for site in world.history.sites()
    }
    assert told == {site: of_site for site, of_site in entries.items() if of_site}
    assert {"sale", "opening"} <= {kind for of_site in told.values() for kind, _, _ in of_site}
    exact, shown = records(frame, "entry"), records(printed_sales(frame), "entry")
    for one, other in zip(exact, shown, strict=True):
        assert abs(one["amount_nano"] - other["amount_cents"] * 10**7) < 10**7
        assert one["amount_nano"] % 10**7 or one["amount_nano"] == other["amount_cents"] * 10**7


def test_collections_are_what_came_in(world: DrawnWorld) -> None:
    booked = sum(row["booked_nano"] for row in records(collections(Question(world.client, ALL)), "day"))
    assert booked == sum(
        entry.amount
        for site in world.history.sites()
        for outcome in world.history.outcomes(site)
        for entry in outcome.entries
        if entry.kind in ("recharge", "sale", "reversal")
    )


@pytest.mark.parametrize("period", PERIODS[:3], ids=lambda period: f"{period.first}-{period.end}")
def test_what_is_printed_adds_up_as_printed(world: DrawnWorld, period: Period) -> None:
    exact = energy_and_finance(Question(world.client, period))
    shown = printed(exact)
    openings = records(sales(Question(world.client, period)), "entry")
    taken_over = Counter((row["site"], row["account"]) for row in openings if row["kind"] == "opening")
    assert period is not ALL or any(row["unprinted_nano"] for row in records(exact, "account"))
    names = [name.replace("_nano", "_cents") for name in MONEY]
    for level in ("account", "site", "group"):
        for row in records(shown, level):
            opening, recharged, refunded, adjusted, service_fees, fees, shared, deducted, closing = (
                row[name] for name in names
            )
            assert opening + recharged - refunded + adjusted - service_fees - fees + shared - deducted == closing, row
    for name in names:
        (group,) = records(shown, "group")
        accounts, sites = ([row[name] for row in records(shown, level)] for level in ("account", "site"))
        assert sum(accounts) == sum(sites) == group[name]
    for account in records(shown, "account"):
        meters = [
            row["deducted_cents"]
            for row in records(shown, "meter")
            if (row["site"], row["account"]) == (account["site"], account["account"])
        ]
        assert sum(meters) == account["deducted_cents"]
    for one, other in zip(records(exact, "account"), records(shown, "account"), strict=True):
        key = one["site"], one["account"]
        cents_off = 1 + taken_over[key]
        for name in MONEY:
            assert abs(one[name] - other[name.replace("_nano", "_cents")] * 10**7) < cents_off * 10**7, key
        assert other["deducted_cents"] == 0 or one["deducted_nano"] > 0, key


def test_printed_periods_follow_on(world: DrawnWorld) -> None:
    """One period's closing is the next one's opening, and two deductions are those of both periods together."""
    cuts = [date(2026, 1, 5), date(2026, 1, 6), date(2026, 2, 1)]
    first, second, both = (
        {
            (row["site"], row["account"]): row
            for row in records(printed(energy_and_finance(Question(world.client, Period(*span)))), "account")
        }
        for span in ((cuts[0], cuts[1]), (cuts[1], cuts[2]), (cuts[0], cuts[2]))
    )
    for key, row in first.items():
        assert row["closing_cents"] == second[key]["opening_cents"]
        for name in (name.replace("_nano", "_cents") for name in MONEY[1:-1]):
            assert row[name] + second[key][name] == both[key][name], key


def test_a_missing_reading_stops_the_report(world: DrawnWorld) -> None:
    world.client.execute("RENAME TABLE readings TO readings_kept")
    try:
        world.client.execute(
            "CREATE VIEW readings AS SELECT * FROM readings_kept"
            " WHERE (site, meter, read_at) NOT IN (SELECT site, meter, min(read_at) FROM readings_kept"
            " WHERE consumption_milli > 0 GROUP BY site, meter HAVING count() > 1 LIMIT 1)"
        )
        with pytest.raises(TieError, match="sluice audit"):
            energy_and_finance(Question(world.client, ALL))
    finally:
        world.client.execute("DROP VIEW readings")
        world.client.execute("RENAME TABLE readings_kept TO readings")


def test_daily_usage_is_as_reckoned(world: DrawnWorld) -> None:
    question = Question(world.client, ALL)
    rows = usage(question).to_dict("records")
    hours = usage_hours(question).to_dict("records")
    for site in world.history.sites():
        days = reckoning.meter_days(world.history, site)
        found = {
            (row["meter"], (row["day"] - EPOCH).days): [row["consumption_milli"], row["amount_nano"]]
            for row in rows
            if row["site"] == site
        }
        assert {key: sums for key, sums in found.items() if any(sums)} == {
            key: sums for key, sums in days.items() if any(sums)
        }
        by_hour = {
            (row["meter"], (row["day"] - EPOCH).days): sum(row[f"h{hour:02d}_milli"] or 0 for hour in range(24))
            for row in hours
            if row["site"] == site
        }
        assert by_hour == {key: sums[0] for key, sums in days.items()}
        expected: dict[tuple[str, int, str], int] = {}
        for (meter, day, band, tier), (quantity, _) in reckoning.meter_cells(world.history, site).items():
            for name in (f"band_{band}_milli", f"tier_{tier + 1}_milli"):
                expected[meter, day, name] = expected.get((meter, day, name), 0) + quantity
        shown = {
            (row["meter"], (row["day"] - EPOCH).days, str(name)): value
            for row in rows
            if row["site"] == site
            for name, value in row.items()
            if str(name).startswith(("band_", "tier_")) and value
        }
        assert shown == {key: quantity for key, quantity in expected.items() if quantity}
        for row in rows:
            tiers = sum(value for name, value in row.items() if str(name).startswith("tier_"))
            assert row["consumption_milli"] == tiers + row["unpriced_milli"]


def test_days_of_accounts_and_meters_are_as_reckoned(world: DrawnWorld) -> None:
    """Every day's opening is the day's before closing, and both are what a report of that day says."""
    found = world.client.execute(
        "SELECT site, account, day, opening_nano, recharged_nano, refunded_nano, adjusted_nano,"
        " service_fees_nano, fees_nano, shared_nano, deducted_nano, closing_nano"
        " FROM account_day ORDER BY site, account, day"
    )
    reckoned: dict[tuple[str, date], reckoning.Reckoned] = {}
    for site, account, day, *sums in found:
        if (site, day) not in reckoned:
            start, end = day_start_ms(day), day_start_ms(day + timedelta(days=1))
            reckoned[site, day] = reckoning.reckon(world.history, site, start, end)
        money = reckoned[site, day].accounts[account]
        assert sums == [
            money.opening,
            money.recharged,
            money.refunded,
            money.adjusted,
            money.service_fees,
            money.fees,
            money.shared,
            money.deducted,
            money.closing,
        ]
    assert len(found) > 200
    broken = world.client.execute(
        "SELECT count(), countIf((closing_milli - opening_milli + rolled_milli) * ratio != consumption_milli),"
        " countIf(nth > 1 AND opening_milli != before) FROM ("
        "SELECT *, lagInFrame(closing_milli) OVER days AS before, row_number() OVER days AS nth FROM meter_day"
        " WINDOW days AS (PARTITION BY site, meter ORDER BY day ROWS BETWEEN 1 PRECEDING AND CURRENT ROW))"
    )
    assert broken[0][0] > 100
    assert broken[0][1:] == (0, 0)


def test_what_is_priced_after_a_take_over_is_printed(clickhouse: str) -> None:
    """The old meter's consumption lies on both sides of it: rounded apart, it is a cent less than both meters'."""

    def line(hour: int, **fields: Any) -> Line:
        return {"at": f"2026-03-01T{hour:02d}:00:00Z", "site": "S1", **fields}

    def tariff(hour: int, name: str, start: str) -> Line:
        components = {"supply": {"all": ["1"]}}
        given = {"tariff": name, "from": start, "unit": "kWh", "cycle": "month", "components": components}
        return line(hour, order="set_tariff", **given)

    def reading(hour: int, meter: str, register: str) -> Line:
        return line(hour, reading={"meter": meter, "register": register, "read_at": f"2026-03-01T{hour:02d}:00:00Z"})

    install = {"meter": "M1", "account": "A", "kind": "electricity", "tariff": "LATER", "register": "0"}
    replace = {"meter": "M1", "final": "0.010", "new_meter": "M2", "register": "0"}
    history = History()
    history.take(
        0,
        [
            tariff(0, "NOW", "2026-03-01T00:00:00Z"),
            tariff(0, "LATER", "2026-12-01T00:00:00Z"),
            line(0, order="open_account", account="A"),
            line(0, order="install_meter", **install, credit="meter", remaining="5"),
            reading(1, "M1", "0.005"),
            line(1, order="assign_tariff", meter="M1", tariff="NOW"),
            reading(2, "M1", "0.010"),
            line(3, order="replace_meter", **replace, remaining="7"),
            reading(4, "M2", "0.010"),
            tariff(5, "LATER", "2026-03-01T00:00:00Z"),
        ],
        size=1,
    )
    with own_database(clickhouse, "late") as url:
        history.write(url)
        with Client.from_url(url) as client:
            shown = printed(energy_and_finance(Question(client, ALL)))
    (account,) = records(shown, "account")
    assert (account["closing_cents"], account["deducted_cents"]) == (699, 1)
    assert [row["deducted_cents"] for row in records(shown, "meter")] == [0, 1]
