"""Every written scenario, taken by the core and stored by the sink: reports say what its expected output says."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import pytest
from clickhouse_driver import Client

from analytics.audit import audit
from analytics.period import Period
from analytics.question import Question
from analytics.reports.components import components
from analytics.reports.energy_finance import energy_and_finance
from analytics.reports.events import alarms
from analytics.reports.usage import usage
from tests.integration.clickhouse_places import own_database
from tests.ledger_history import History, lines_of
from tests.reckoning import nano
from tests.scenarios.test_scenarios import CASES

ALL: Final = Period(date(2000, 1, 1), date(2100, 1, 1))
MONEY: Final = ("recharged", "refunded", "adjusted", "service_fees", "fees", "shared", "deducted")


@dataclass(frozen=True, slots=True)
class World:
    """All cases in one database, a prefix of its own before the sites of each."""

    client: Any
    expected: dict[str, Any]

    def of_case(self, row: dict[Any, Any]) -> str:
        return str(row["site"]).partition("/")[0]


@pytest.fixture(scope="module")
def world(clickhouse: str) -> Iterator[World]:
    history, expected = History(), {}
    for number, case in enumerate(CASES):
        expected[case.stem] = json.loads(case.with_suffix(".expected.json").read_text("utf-8"))
        lines = case.read_text("utf-8").splitlines()
        history.take(number % 3, lines_of(lines, prefix=f"{case.stem}/"), size=1)
    with own_database(clickhouse, "scenarios") as url:
        history.write(url)
        client = Client.from_url(url)
        yield World(client, expected)
        client.disconnect()


def test_accounts_are_as_written(world: World) -> None:
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for row in energy_and_finance(Question(world.client, ALL)).to_dict("records"):
        if row["level"] == "account":
            sums = {name: row[f"{name}_nano"] for name in MONEY}
            found[world.of_case(row)][row["account"]] = sums | {"balance": row["closing_nano"]}
    for case, output in world.expected.items():
        written = {
            name: {word: nano(told.get(word, "0")) for word in (*MONEY, "balance")}
            for name, told in output["accounts"].items()
        }
        assert found[case] == written, case


def test_meters_are_as_written(world: World) -> None:
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for row in energy_and_finance(Question(world.client, ALL)).to_dict("records"):
        if row["level"] == "meter":
            consumed = row["electricity_milli"] if row["kind"] == "electricity" else row["water_milli"]
            shown = (row["account"], consumed, row["deducted_nano"], row["closing_register_milli"])
            found[world.of_case(row)][row["meter"]] = shown
    for case, output in world.expected.items():
        written = {
            name: (told["account"], milli(told["consumption"]), nano(told["amount"]), milli(told["register"]))
            for name, told in output["meters"].items()
        }
        assert found[case] == written, case


def test_bands_tiers_and_components_are_as_written(world: World) -> None:
    found: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row in usage(Question(world.client, ALL)).to_dict("records"):
        for name, value in row.items():
            if str(name).startswith(("band_", "tier_", "component_", "unpriced")):
                found[world.of_case(row), row["meter"]][str(name)] += value
    for case, output in world.expected.items():
        for meter, told in output["meters"].items():
            written = {f"band_{name}_milli": milli(text) for name, text in told["by_band"].items()}
            written |= {f"tier_{number}_milli": milli(text) for number, text in enumerate(told["by_tier"], 1)}
            written |= {f"component_{name}_nano": nano(text) for name, text in told["by_component"].items()}
            written["unpriced_milli"] = milli(told["unpriced"])
            assert +found[case, meter] == +Counter(written), (case, meter)


def test_components_of_a_case_add_up_to_its_deductions(world: World) -> None:
    found: Counter[str] = Counter()
    for row in components(Question(world.client, ALL)).to_dict("records"):
        if row["level"] == "site":
            found[world.of_case(row)] += row["amount_nano"]
    written: Counter[str] = Counter()
    for case, output in world.expected.items():
        written[case] = sum(nano(told["deducted"]) for told in output["accounts"].values())
    assert +found == +written


def test_alarms_are_as_written(world: World) -> None:
    found: Counter[tuple[str, str, str]] = Counter()
    for row in alarms(Question(world.client, ALL)).to_dict("records"):
        found[world.of_case(row), row["meter"], row["kind"]] += row["alarms"]
    written = Counter(
        (case, told["meter"], told["kind"]) for case, output in world.expected.items() for told in output["alarms"]
    )
    assert found == written


def test_the_audit_holds(world: World) -> None:
    assert [(check.name, fault.key) for check in audit(world.client) for fault in check.faults] == []


def milli(text: str) -> int:
    """A decimal in thousandths."""
    thousandths, rest = divmod(nano(text), 10**6)
    assert rest == 0, text
    return thousandths
