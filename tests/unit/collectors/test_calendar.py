"""China's official days as an order of the ledger's language."""

import json
from datetime import date

import pytest
from typer.testing import CliRunner

from collectors.orders.calendar import YearUnknownError, calendar_order
from infra.cli.app import app
from streams.core.orderform import parse_order


def test_a_year_names_its_holidays_and_the_weekends_that_are_worked() -> None:
    order = calendar_order(2026, site="S1")
    parse_order(order)
    days = order["days"]
    assert [days[f"2026-10-0{day}"] for day in range(1, 8)] == ["holiday"] * 7
    assert days["2026-10-10"] == "workday", "a Saturday, worked for the holiday week"
    assert "2026-10-11" not in days, "a Sunday like any other"
    assert all(date.fromisoformat(day).weekday() >= 5 for day, kind in days.items() if kind == "workday")


def test_a_year_that_nobody_knows_yet_is_an_error() -> None:
    with pytest.raises(YearUnknownError, match="2199"):
        calendar_order(2199, site="S1")


def test_the_command_prints_the_order_or_the_reason() -> None:
    done = CliRunner().invoke(app, ["calendar", "2026", "--site", "S7"])
    assert json.loads(done.stdout) == calendar_order(2026, site="S7")
    done = CliRunner().invoke(app, ["calendar", "2026", "--from", "2026-10-07"])
    assert list(json.loads(done.stdout)["days"]) == ["2026-10-07", "2026-10-10"]
    done = CliRunner().invoke(app, ["calendar", "2199"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "2199" in done.stderr
