"""Properties that any ledger of the specification has, on generated scenarios, by the slow model.

What holds here and in `test_core_equals_model` holds for the core. `SLUICE_SEED` sets the first seed.
"""

import json
import os
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from tests.model import run
from tests.model.generator import World, draw, generate
from tests.model.texts import parse_time, write_time

SEED = int(os.environ.get("SLUICE_SEED", "1"))
SCENARIOS = 120
SEEDS = range(SEED, SEED + SCENARIOS)

Output = dict[str, Any]
LISTS = ("commands", "notices", "alarms", "refusals")


@pytest.fixture(scope="module")
def worlds() -> list[World]:
    return [draw(seed) for seed in SEEDS]


def test_the_same_seed_draws_the_same_scenario() -> None:
    assert generate(SEED) == generate(SEED)


def test_balance_is_what_came_in_less_what_went_out(worlds: list[World]) -> None:
    for world in worlds:
        for account in world.model.output()["accounts"].values():
            amounts = {name: Decimal(value) for name, value in account.items() if name != "closed"}
            balance = amounts["recharged"] - amounts["refunded"] + amounts["adjusted"] - amounts["deducted"]
            balance += (
                amounts.get("shared", Decimal(0))
                - amounts.get("fees", Decimal(0))
                - amounts.get("service_fees", Decimal(0))
            )
            assert amounts["balance"] == balance
            assert amounts["arrears"] == max(0, -balance)


def test_shares_of_a_site_sum_to_nothing(worlds: list[World]) -> None:
    for world in worlds:
        for site in world.model.sites.values():
            assert sum(account.shared for account in site.accounts.values()) == 0


def test_deductions_of_an_account_are_the_amounts_of_its_meters(worlds: list[World]) -> None:
    for world in worlds:
        output = world.model.output()
        amounts: Counter[str] = Counter()
        for meter in output["meters"].values():
            amounts[meter["account"]] += Decimal(meter["amount"])  # type: ignore[assignment]  # Counter of Decimal
        for account_id, account in output["accounts"].items():
            assert Decimal(account["deducted"]) == amounts[account_id]


def test_bands_tiers_and_components_add_up(worlds: list[World]) -> None:
    for world in worlds:
        for meter in world.model.output()["meters"].values():
            priced = Decimal(meter["consumption"]) - Decimal(meter["unpriced"])
            assert sum(map(Decimal, meter["by_band"].values())) == priced
            assert sum(map(Decimal, meter["by_tier"])) == priced
            assert sum(map(Decimal, meter["by_component"].values())) == Decimal(meter["amount"])
            assert meter["by_tier"][-1:] != ["0"]


def test_consumption_is_the_difference_of_accepted_registers(worlds: list[World]) -> None:
    for world in worlds:
        for site in world.model.sites.values():
            for meter in site.meters.values():
                wrapped = meter.flags["rollover"] * (meter.device.wrap or 0)
                difference = meter.register - meter.device.register + wrapped
                assert meter.consumption == difference * meter.device.ratio


def test_money_comes_from_the_orders_that_were_taken(worlds: list[World]) -> None:
    for world in worlds:
        output = world.model.output()
        refused = {refusal["line"] for refusal in output["refusals"]}
        recharged: Counter[str] = Counter()
        for site in world.model.sites.values():
            for account in site.accounts.values():
                sold = sum(sale.amount for sale in account.sales if sale.state == "confirmed")
                recharged[account.account_id] += Decimal(sold) / 10**9  # type: ignore[assignment]  # as above
        for number, text in enumerate(world.lines, 1):
            order = json.loads(text) if text.strip() else {}
            if order.get("order") == "recharge" and number not in refused:
                recharged[order["account"]] += Decimal(order["amount"])  # type: ignore[assignment]  # as above
        for account_id, account in output["accounts"].items():
            assert Decimal(account["recharged"]) == recharged[account_id]


def test_commands_alternate_and_end_at_the_desired_state(worlds: list[World]) -> None:
    """Along a chain of replacements: cut and restore in turn, repeats like the one before."""
    for world in worlds:
        output = world.model.output()
        states: dict[str, str] = {}
        for site in world.model.sites.values():
            for meter in site.meters.values():
                states[meter.meter_id] = states[meter.replaces.meter_id] if meter.replaces else meter.meter_id
        supply = dict.fromkeys(states.values(), "restore")
        for command in output["commands"]:
            place = states[command["meter"]]
            if command["action"] not in ("cut", "restore"):
                continue
            assert (command["action"] == supply[place]) == command["repeat"]
            supply[place] = command["action"]
        for site in world.model.sites.values():
            for meter in site.meters.values():
                if not meter.is_replaced:
                    assert (meter.desired == "on") == (supply[states[meter.meter_id]] == "restore")


def test_what_was_sold_is_confirmed_pending_or_void(worlds: list[World]) -> None:
    """A sale is money once at most, each meter has one on its way, and those that wait come after it."""
    for world in worlds:
        output = world.model.output()
        refused = {refusal["line"] for refusal in output["refusals"]}
        orders = [json.loads(text) if text.strip() else {} for text in world.lines]
        sold = [
            order for number, order in enumerate(orders, 1) if order.get("order") == "sell" and number not in refused
        ]
        accounts = [account for site in world.model.sites.values() for account in site.accounts.values()]
        sales = [sale for account in accounts for sale in account.sales]
        assert Counter(order["order_id"] for order in sold) == Counter(sale.order.order_id for sale in sales)
        for account in accounts:
            pending = [sale.state for sale in account.sales if sale.is_pending]
            assert pending == ["sent", *["waiting"] * (len(pending) - 1)][: len(pending)]
            shown = Decimal(output["accounts"][account.account_id].get("pending", "0"))
            assert shown == Decimal(sum(sale.amount for sale in account.sales if sale.is_pending)) / 10**9


def test_lines_so_far_decide_what_came_out_so_far(worlds: list[World]) -> None:
    for world in worlds[:40]:
        whole, half = world.model.output(), run(world.lines[: len(world.lines) // 2])
        for name in LISTS:
            assert whole[name][: len(half[name])] == half[name]


def test_sites_do_not_matter_to_each_other(worlds: list[World]) -> None:
    for world in worlds:
        if len(world.model.sites) == 1:
            continue
        whole = world.model.output()
        parts = [run(_only(world.lines, site_id)) for site_id in world.model.sites]
        for name in ("accounts", "meters"):
            assert whole[name] == {key: value for part in parts for key, value in part[name].items()}
        for name in LISTS:
            together = [entry for part in parts for entry in part[name]]
            assert sorted(map(json.dumps, whole[name])) == sorted(map(json.dumps, together))


def _only(lines: list[str], site_id: str) -> list[str]:
    """The scenario with the lines of other sites blank, so that the numbers stay."""
    return [text if text.strip() and json.loads(text).get("site", "S1") == site_id else "" for text in lines]


def test_a_money_order_sent_twice_changes_nothing(worlds: list[World]) -> None:
    for world in worlds[:60]:
        twice = [text for line in world.lines for text in ([line, line] if '"order_id"' in line else [line])]
        _assert_same_but_for_refusals(run(twice), world.model.output())


def test_a_reading_sent_twice_changes_only_its_flags(worlds: list[World]) -> None:
    for world in worlds[:60]:
        twice = [text for line in world.lines for text in ([line, line] if '"read_at"' in line else [line])]
        got, expected = run(twice), world.model.output()
        for name in ("accounts", "commands", "notices"):
            assert got[name] == expected[name]
        for meter_id, meter in expected["meters"].items():
            assert {**got["meters"][meter_id], "flags": {}} == {**meter, "flags": {}}


def test_ticks_in_between_change_nothing(worlds: list[World]) -> None:
    """A tick at the time that the ledger has reached already judges what was judged before."""
    for world in worlds[:60]:
        latest: dict[str, int] = {}
        lines = []
        for text in world.lines:
            lines.append(text)
            if text.strip():
                line = json.loads(text)
                site = line.get("site", "S1")
                latest[site] = max(parse_time(line["at"]), latest.get(site, 0))
                lines.append(json.dumps({"at": write_time(latest[site]), "order": "tick", "site": site}))
        _assert_same_but_for_refusals(run(lines), world.model.output())


def test_how_times_are_written_does_not_matter(worlds: list[World]) -> None:
    for world in worlds[:60]:
        lines = [json.dumps(_in_utc(json.loads(text))) if text.strip() else text for text in world.lines]
        assert run(lines) == world.model.output()


def _in_utc(content: Any) -> Any:
    if isinstance(content, dict):
        times = {name: content[name] for name in ("at", "from", "read_at") if name in content}
        inner = {name: _in_utc(value) for name, value in content.items()}
        return inner | {name: _utc(text) for name, text in times.items()}
    return content


def _utc(text: str) -> str:
    shifted = write_time(parse_time(text) - 8 * 3_600_000)
    return shifted.removesuffix("+08:00") + "Z"


def _assert_same_but_for_refusals(got: Output, expected: Output) -> None:
    for name in expected:
        if name != "refusals":
            assert got[name] == expected[name]
