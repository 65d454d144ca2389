"""Components of tariffs, hours and late corrections equal the slow model and what is reckoned in plain Python."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date

import pytest

from analytics.errors import TieError
from analytics.period import Period
from analytics.question import Question
from analytics.reports.components import components
from analytics.reports.energy_finance import energy_and_finance
from analytics.reports.late import late
from analytics.reports.usage import usage
from streams.core.localtime import DAY_MS, OFFSET_MS
from tests import reckoning
from tests.integration.drawn_world import DrawnWorld, drawn_world
from tests.reckoning import nano

SEEDS = range(500, 530)
EPOCH = date(1970, 1, 1)
HOUR_MS = 3_600_000
ALL = Period(date(2000, 1, 1), date(2100, 1, 1))
PERIODS = [
    ALL,
    Period(date(2026, 1, 5), date(2026, 1, 6)),
    Period(date(2026, 1, 6), date(2026, 2, 1)),
    Period(date(2026, 2, 1), date(2026, 3, 1)),
]
by_period = pytest.mark.parametrize("period", PERIODS, ids=lambda period: f"{period.first}-{period.end}")


@pytest.fixture(scope="module")
def world(clickhouse: str) -> Iterator[DrawnWorld]:
    with drawn_world(clickhouse, "components", SEEDS) as world:
        yield world


def ask(world: DrawnWorld, period: Period = ALL) -> Question:
    return Question(world.client, period)


def test_each_meters_components_are_those_of_the_slow_model(world: DrawnWorld) -> None:
    found: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for site, meter, component, amount in world.client.execute(
        "SELECT site, meter, component, sum(toInt128(amount_nano)) FROM meter_day_components"
        " GROUP BY site, meter, component"
    ):
        if amount:
            found[site.partition("-")[0] + "-", meter][component] = amount
    expected = {
        (prefix, name): {component: nano(text) for component, text in told["by_component"].items()}
        for prefix, output in world.models.items()
        for name, told in output["meters"].items()
        if told["by_component"]
    }
    assert found == expected
    assert max(len(of_meter) for of_meter in found.values()) > 1


def test_the_components_of_a_cell_add_up_to_it(world: DrawnWorld) -> None:
    names = "site, account, meter, kind, day, tariff, version, band, tier"
    cells = world.client.execute(f"SELECT {names}, quantity_milli, amount_nano FROM meter_day_cells ORDER BY {names}")
    sums = world.client.execute(
        f"SELECT {names}, any(quantity_milli), sum(amount_nano) FROM meter_day_components GROUP BY {names}"
        f" ORDER BY {names}"
    )
    assert sums == cells
    assert len(cells) > 200


def test_the_components_of_an_accounts_day_add_up_to_its_deduction(world: DrawnWorld) -> None:
    sums = world.client.execute(
        "SELECT site, account, day, sum(amount_nano) AS amount FROM account_day_components"
        " GROUP BY site, account, day HAVING amount != 0 ORDER BY site, account, day"
    )
    deducted = world.client.execute(
        "SELECT site, account, day, deducted_nano FROM account_day WHERE deducted_nano != 0 ORDER BY site, account, day"
    )
    assert sums == deducted
    assert len(sums) > 50


@by_period
def test_the_report_says_what_all_deductions_were_for(world: DrawnWorld, period: Period) -> None:
    rows = components(ask(world, period)).to_dict("records")
    books = energy_and_finance(ask(world, period)).to_dict("records")
    deducted = {row["site"]: row["deducted_nano"] for row in books if row["level"] in ("site", "group")}
    sums: dict[tuple[str, str | None], int] = defaultdict(int)
    for row in rows:
        sums[row["level"], row["site"]] += row["amount_nano"]
        if row["level"] == "price":
            assert row["quantity_milli"] * row["price_nano"] == row["amount_nano"] * 1000
    for site, amount in deducted.items():
        if site is not None:
            assert sums["price", site] == sums["site", site] == amount, site
    assert (
        sums["group", None] == deducted[None] == sum(amount for (level, _), amount in sums.items() if level == "site")
    )
    assert period is not ALL or deducted[None] > 0


def test_the_report_of_one_site_is_its_part(world: DrawnWorld) -> None:
    whole = components(ask(world))
    site = whole["site"][0]
    alone = components(Question(world.client, ALL, site=site))
    assert list(alone[alone["level"] == "price"]["amount_nano"]) == list(
        whole[(whole["level"] == "price") & (whole["site"] == site)]["amount_nano"]
    )
    assert set(alone["site"]) == {site, None}


def test_a_days_cost_by_component(world: DrawnWorld) -> None:
    rows = usage(ask(world)).to_dict("records")
    for row in rows:
        parts = [value for name, value in row.items() if str(name).startswith("component_")]
        assert sum(parts) == row["amount_nano"], (row["site"], row["meter"], row["day"])
    assert len({name for name in rows[0] if str(name).startswith("component_")}) > 1


def test_hours_are_the_sums_of_their_readings(world: DrawnWorld) -> None:
    expected: dict[tuple[str, str, int], list[int]] = defaultdict(lambda: [0, 0, 0])
    for site in world.history.sites():
        kinds: dict[int, str] = {}
        for outcome in world.history.outcomes(site):
            kinds |= {world.history.site(site).meter_number(meter.meter): meter.kind for meter in outcome.meters}
            for row in outcome.readings:
                sums = expected[site, kinds[int(row["meter"])], int(row["read_at"]) // HOUR_MS]
                sums[0] += 1
                sums[1] += int(row["consumption"])
                sums[2] += int(row["amount"])
    found = world.client.execute(
        "SELECT site, kind, intDiv(toUnixTimestamp(hour), 3600), readings, consumption_milli, amount_nano"
        " FROM load_hour",
        settings={"force_optimize_projection": 1},
    )
    assert {(site, kind, hour): sums for site, kind, hour, *sums in found} == expected
    assert len(found) > 100


@by_period
def test_what_is_booked_after_a_period_is_told_with_its_day(world: DrawnWorld, period: Period) -> None:
    expected = {
        (site, *key): sums
        for site in world.history.sites()
        for key, sums in reckoning.late(world.history, site, period.first_ms, period.end_ms).items()
    }
    found = {
        (row["site"], row["meter"], (row["day"] - EPOCH).days, (row["booked_day"] - EPOCH).days): [
            row["consumption_milli"],
            row["amount_nano"],
        ]
        for row in late(ask(world, period)).to_dict("records")
    }
    assert found == expected


def test_late_corrections_lead_from_the_books_to_the_days(world: DrawnWorld) -> None:
    """Read in a period = booked in it - read before or after it + late for it: here with what was read before."""
    (day,) = {(period.end_ms + OFFSET_MS) // DAY_MS for period in PERIODS[1:2]}
    until = Period(date(2000, 1, 1), PERIODS[1].end)
    read = sum(row["amount_nano"] for row in usage(ask(world, until)).to_dict("records"))
    booked = sum(
        int(row["amount"])
        for site in world.history.sites()
        for outcome in world.history.outcomes(site)
        for row in outcome.readings
        if reckoning.local_day(int(row["at"])) < day and reckoning.local_day(int(row["read_at"])) < day
    )
    assert read - booked == sum(row["amount_nano"] for row in late(ask(world, until)).to_dict("records")) > 0


def test_what_is_of_no_component_stops_the_report(world: DrawnWorld) -> None:
    lost = "(SELECT min((posting_offset, start)) FROM pieces_kept WHERE amount_nano > 0)"
    world.client.execute("RENAME TABLE pieces TO pieces_kept")
    try:
        world.client.execute(
            "CREATE VIEW pieces AS SELECT * FROM pieces_kept"
            f" WHERE amount_nano = 0 OR (posting_offset, start) != {lost}"
        )
        with pytest.raises(TieError, match="of no component's"):
            components(ask(world))
    finally:
        world.client.execute("DROP VIEW pieces")
        world.client.execute("RENAME TABLE pieces_kept TO pieces")
    assert not components(ask(world)).empty
