"""What has a limit, so that no page and no record becomes larger than its topic takes: as the slow model has it."""

import json
from datetime import date, timedelta
from typing import Any

from streams.replay import replay
from tests.model import run

AT = "2026-01-01T00:00:00+08:00"


def order(order_kind: str, **content: Any) -> str:
    return json.dumps({"at": AT, "order": order_kind, **content})


def refused(lines: list[str]) -> list[tuple[int, str]]:
    """Line and reason of what core and model both refuse."""
    found = replay(lines)
    assert found == run(lines)
    return [(refusal["line"], refusal["reason"]) for refusal in found["refusals"]]


def meter_with_credit(count: int) -> list[str]:
    return [
        order("open_account", account="A"),
        order("install_meter", meter="M", account="A", kind="electricity", register="0", credit="meter", count=count),
    ]


def test_a_meter_has_at_most_100_unsettled_sales() -> None:
    lines = meter_with_credit(0)
    lines += [order("sell", order_id=f"S{number}", meter="M", amount="1") for number in range(101)]
    lines += [order("settle_sale", order_id="V", of="S50", outcome="void")]
    lines += [order("sell", order_id=f"T{number}", meter="M", amount="1") for number in range(2)]
    assert refused(lines) == [(103, "invalid"), (106, "invalid")]


def test_no_sale_brings_a_count_to_what_no_reading_may_tell() -> None:
    lines = meter_with_credit(999_999_996)
    lines += [order("sell", order_id=f"S{number}", meter="M", amount="1") for number in range(4)]
    assert refused(lines) == [(6, "invalid")]


def test_a_site_has_at_most_1000_tariffs() -> None:
    def tariff(name: str) -> str:
        return order(
            "set_tariff",
            tariff=name,
            **{"from": AT},
            unit="kWh",
            cycle="none",
            tiers=["0"],
            components={"supply": {"all": ["1"]}},
        )

    lines = [tariff(f"E{number}") for number in range(1_001)] + [tariff("E0")]
    assert refused(lines) == [(1_001, "invalid")]


def test_a_site_has_at_most_40000_named_days() -> None:
    first = date(2026, 1, 1)
    days = [(first + timedelta(days=number)).isoformat() for number in range(40_001)]
    lines = [
        order("set_calendar", days=dict.fromkeys(days[:-1], "holiday")),
        order("set_calendar", days={days[-1]: "holiday"}),
        order("set_calendar", days={days[0]: "workday"}),
    ]
    assert refused(lines) == [(2, "invalid")]


def test_an_address_in_use_is_told_only_where_nothing_is_invalid() -> None:
    # The slow model knows no gateways.
    def meter(name: str, address: str) -> str:
        device = {"kind": "electricity", "register": "50", "gateway": "G", "address": address}
        return order("install_meter", meter=name, account="A", **device)

    def replacement(final: str) -> str:
        return order("replace_meter", meter="M", final=final, new_meter="P", register="0", address="2")

    lines = [order("open_account", account="A"), meter("M", "1"), meter("N", "2")]
    lines += [replacement("10"), replacement("50")]
    refusals = replay(lines)["refusals"]
    assert [(refusal["line"], refusal["reason"]) for refusal in refusals] == [(4, "invalid"), (5, "conflict")]


def test_times_are_of_local_years_1_to_9999() -> None:
    begins, ends = "0001-01-01T00:00:00+08:00", "9999-12-31T23:59:59.999+08:00"
    lines = [order("open_account", account="A"), json.dumps({"at": begins, "order": "tick"})]
    lines += [
        order("set_fee", fee="rent", account="A", amount="1", period="day", **{"from": "9999-12-31T00:00:00+08:00"}),
        json.dumps({"at": ends, "order": "tick"}),
    ]
    assert refused(lines) == []
    assert replay(lines)["accounts"]["A"]["fees"] == "1"
