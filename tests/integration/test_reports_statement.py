"""Collections against a channel's statement, where sites have orders of one id and files have many lines."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from clickhouse_driver import Client
from typer.testing import CliRunner

from analytics.errors import AnalyticsError
from analytics.period import Period
from analytics.question import Question
from analytics.reports.collections import collections
from infra.cli.app import app
from tests.integration.clickhouse_places import own_database
from tests.ledger_history import History, Line

MARCH = Period(date(2026, 3, 1), date(2026, 4, 1))


def recharge(site: str, at: str, order_id: str, amount: str, channel: str) -> Line:
    return {
        "at": at,
        "site": site,
        "order": "recharge",
        "account": "A1",
        "order_id": order_id,
        "amount": amount,
        "channel": channel,
    }


def lines() -> Iterator[Line]:
    """Sites number their orders by themselves: both have R1."""
    for site in ("S1", "S2"):
        yield {"at": "2026-02-01T00:00:00Z", "site": site, "order": "open_account", "account": "A1"}
    yield recharge("S1", "2026-02-10T00:00:00Z", "R1", "50", "counter")
    yield recharge("S1", "2026-03-10T00:00:00Z", "R2", "70", "wechat")
    yield recharge("S2", "2026-03-11T00:00:00Z", "R1", "50", "wechat")


@pytest.fixture(scope="module")
def url(clickhouse: str) -> Iterator[str]:
    history = History()
    history.take(0, lines())
    with own_database(clickhouse, "statement") as url:
        history.write(url)
        yield url


def results(url: str, path: Path, *, site: str | None = None) -> dict[str, Any]:
    """The total's counts by result."""
    with Client.from_url(url) as client:
        frame = collections(Question(client, MARCH, site, statement=path))
    (total,) = frame[frame["level"] == "total"].to_dict("records")
    return {name: total[name] for name in ("orders", "matched", "missing_here", "missing_there", "different")}


def test_a_line_goes_with_the_order_of_its_channel(url: str, tmp_path: Path) -> None:
    """And not with that of another site, counted at the counter a month before, which comes first by name."""
    path = tmp_path / "wechat.csv"
    path.write_text("order_id,amount,channel\nR1,50,wechat\nR2,70,wechat\n")
    assert results(url, path) == {
        "orders": 2,
        "matched": 2,
        "missing_here": 0,
        "missing_there": 0,
        "different": 0,
    }


@pytest.mark.parametrize("named", [True, False], ids=["sites-named", "no-sites"])
def test_one_sites_report_leaves_other_sites_lines_out(url: str, tmp_path: Path, named: bool) -> None:
    """A channel's statement is about all sites."""
    path = tmp_path / "wechat.csv"
    heading, first, second = (
        ("order_id,amount,site", "R1,50,S2", "R2,70,S1") if named else ("order_id,amount", "R1,50", "R2,70")
    )
    path.write_text(f"{heading}\n{first}\n{second}\nR9,1{',' if named else ''}\n")
    assert results(url, path, site="S1") == {
        "orders": 1,
        "matched": 1,
        "missing_here": 1,
        "missing_there": 0,
        "different": 0,
    }


def test_a_line_like_another_sites_order_of_another_amount_is_missing_here(url: str, tmp_path: Path) -> None:
    """Nobody at S1 booked the 30 yuan, though S2 has an R1 as well."""
    path = tmp_path / "wechat.csv"
    path.write_text("order_id,amount\nR2,70\nR1,30\n")
    expected = {"orders": 1, "matched": 1, "missing_here": 1, "missing_there": 0, "different": 0}
    assert results(url, path, site="S1") == expected


def test_a_statement_of_many_lines_is_read(url: str, tmp_path: Path) -> None:
    """Their ids are more than a server takes in one query."""
    path = tmp_path / "wechat.csv"
    ids = ["R1", "R2", *(f"4200002026{number:018d}'" for number in range(20_000))]
    path.write_text("order_id,amount,channel\n" + "".join(f"{each},1,wechat\n" for each in ids))
    found = results(url, path)
    assert (found["different"], found["missing_here"]) == (2, 20_000)


def test_a_site_that_is_not_there_is_told(url: str) -> None:
    asked = ("report", "collections", "--from", "2026-03-01", "--to", "2026-04-01", "--site")
    wrong = CliRunner().invoke(app, [*asked, "S3"], env={"SLUICE_CLICKHOUSE": url})
    assert isinstance(wrong.exception, AnalyticsError)
    assert "no site 'S3'" in str(wrong.exception)
    assert CliRunner().invoke(app, [*asked, "S2"], env={"SLUICE_CLICKHOUSE": url}).exit_code == 0
