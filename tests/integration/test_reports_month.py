"""Reports over a made month (tests/group_history.py): each finds what happened there, and nothing else."""

import json
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from clickhouse_driver import Client
from typer.testing import CliRunner, Result

from analytics.errors import AnalyticsError
from analytics.period import Period, day_start_ms
from analytics.plots import DRAWINGS
from analytics.plots.picture import save
from analytics.question import Question
from analytics.reports import REPORTS
from analytics.reports.arrears import arrears
from analytics.reports.arrears import printed as printed_arrears
from analytics.reports.collections import collections
from analytics.reports.energy_finance import energy_and_finance
from analytics.reports.energy_finance import printed as printed_energy_and_finance
from analytics.reports.events import alarms, commands
from analytics.reports.losses import losses
from analytics.reports.rounds import completeness, silent
from analytics.reports.sales import printed as printed_sales
from analytics.reports.sales import sales
from analytics.reports.theft import theft
from analytics.reports.usage import ranking
from analytics.reports.zones import zones
from analytics.show.writers import as_csv, as_json, as_table, write_xlsx
from infra.cli.app import app
from streams.core.outcome import Position, Source, Supply
from streams.core.site import SiteLedger
from tests import reckoning
from tests.analyst_session import PAGE, run_session
from tests.group_history import BEGIN, DAYS, LATE_DAYS, SILENT_DAY, THEFT_DAY, group_history
from tests.integration.clickhouse_places import own_database
from tests.ledger_history import History

MARCH = Period(date(2026, 3, 1), date(2026, 4, 1))
HOUR_MS = 3_600_000
SUBS = ["SHOP1", "SHOP1B", *(f"SHOP{number}" for number in range(2, 9)), "THEFT", "SILENT", "BACKWARDS"]

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class World:
    """The month in a database."""

    url: str
    client: Any
    history: History
    wiring: Path

    def ask(self, period: Period = MARCH, **options: Any) -> Question:
        return Question(self.client, period, **options)


def rows(frame: Any, **chosen: Any) -> Rows:
    """A frame's rows that have these values."""
    found: Rows = frame.to_dict("records")
    return [row for row in found if all(row[name] == value for name, value in chosen.items())]


def write_wiring(path: Path, subs: list[str]) -> Path:
    names = ", ".join(f'"S1-{name}"' for name in subs)
    path.write_text(f'[[master]]\nsite = "S1"\nmeter = "S1-MASTER"\nsubs = [{names}]\nallowed_percent = "6"\n')
    return path


@pytest.fixture(scope="module")
def world(clickhouse: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    history = group_history()
    wiring = write_wiring(tmp_path_factory.mktemp("wiring") / "wiring.toml", SUBS)
    with own_database(clickhouse, "month") as url:
        history.write(url)
        client = Client.from_url(url)
        yield World(url, client, history, wiring)
        client.disconnect()


def test_rows_that_come_late_are_in_their_days(clickhouse: str, world: World) -> None:
    """The daily tables before and after the readings of two days come."""
    kept_back = day_start_ms(date(2026, 3, LATE_DAYS[-1] + 1))
    before = sum(
        all(int(row["at"]) < kept_back for row in each.postings.outcome.readings) for each in world.history.posted
    )
    first = next(
        number
        for number, each in enumerate(world.history.posted)
        if any(int(row["at"]) >= kept_back for row in each.postings.outcome.readings)
    )
    assert 0 < first <= before
    sql = (
        "SELECT toDayOfMonth(day), opening_milli, closing_milli, consumption_milli, readings FROM meter_day"
        " WHERE meter = 'S2-FLAT2' AND day < '2026-03-11' ORDER BY day"
    )
    with own_database(clickhouse, "late") as url:
        client = Client.from_url(url)
        world.history.write(url, count=first)
        # What was read at midnight is the first reading of the day that begins.
        assert [row[0] for row in client.execute(sql)] == [*range(1, LATE_DAYS[0]), LATE_DAYS[0]]
        over = "SELECT * FROM account_day WHERE day < '2026-03-11' ORDER BY site, account, day"
        closed = client.execute(over)
        world.history.write(url)
        days = client.execute(sql)
        assert [row[0] for row in days] == [*range(1, LATE_DAYS[-1] + 1)]
        assert [row[4] for row in days[-2:]] == [24, 24]
        reckoned = reckoning.meter_days(world.history, "S2")
        base = (date(2026, 3, 1) - date(1970, 1, 1)).days - 1
        assert [row[3] for row in days] == [reckoned["S2-FLAT2", base + row[0]][0] for row in days]
        # Money counts when it was booked: a day that was over is what it was.
        assert client.execute(over) == closed
        client.disconnect()


def test_a_replaced_meter_and_a_closed_account_in_energy_and_finance(world: World) -> None:
    frame = energy_and_finance(world.ask())
    (old,), (new,) = (rows(frame, level="meter", meter=name) for name in ("S1-SHOP4", "S1-SHOP4N"))
    assert (old["opening_register_milli"], new["opening_register_milli"]) == (100_000, 5_000)
    (account,) = rows(frame, level="account", account="A-S1-SHOP4")
    assert account["electricity_milli"] == old["electricity_milli"] + new["electricity_milli"] > 0
    (closed,) = rows(frame, level="account", account="A-FLAT3")
    assert closed["closing_nano"] == 0
    assert closed["refunded_nano"] == 300 * 10**9 - closed["deducted_nano"]
    (one_site,) = rows(energy_and_finance(world.ask(site="S2")), level="group")
    (site,) = rows(frame, level="site", site="S2")
    assert {**one_site, "level": "", "site": ""} == {**site, "level": "", "site": ""}
    after = energy_and_finance(world.ask(Period(date(2026, 3, 28), date(2026, 4, 1))))
    assert not rows(after, meter="S1-SHOP4"), "a meter that was gone before the period"


def write_statement(world: World, path: Path) -> Path:
    """WeChat's payments of the month, with one left out, one of another amount and two that nobody booked."""
    paid = world.client.execute(
        "SELECT order_id, amount_nano FROM entries WHERE channel = 'wechat' AND kind = 'recharge' ORDER BY order_id"
    )
    lines = ["order_id,amount,channel,day"]
    for number, (order_id, amount) in enumerate(paid):
        shown = amount + (10**9 if number == 1 else 0)
        if number != 2:
            lines.append(f"{order_id},{shown // 10**9}.{shown // 10**7 % 100:02d},wechat,2026-03-01")
    lines += ["W-77,5.00,wechat,2026-03-04", f"{paid[0][0]},1.00,wechat,2026-03-05"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
    return path


def test_collections_against_a_statement(world: World, tmp_path: Path) -> None:
    path = write_statement(world, tmp_path / "wechat.csv")
    frame = collections(world.ask(statement=path))
    (total,) = rows(frame, level="total")
    entries = [entry for site in ("S1", "S2") for each in world.history.outcomes(site) for entry in each.entries]
    collected = [entry for entry in entries if entry.kind in ("recharge", "reversal")]
    assert (total["orders"], total["booked_nano"]) == (len(collected), sum(entry.amount for entry in collected))
    (reversal,) = (entry for entry in collected if entry.kind == "reversal")
    wechat = sorted(entry.order_id for entry in collected if entry.channel == "wechat")
    assert {(row["order_id"], row["result"]) for row in rows(frame, level="order")} == {
        (wechat[1], "different"),
        (wechat[2], "missing_there"),
        (reversal.order_id, "missing_there"),
        ("W-77", "missing_here"),
        (wechat[0], "missing_here"),
    }
    assert (total["matched"], total["different"], total["missing_here"], total["missing_there"]) == (
        len(wechat) - 2,
        1,
        2,
        2,
    )
    days = rows(frame, level="day")
    assert sum(row["booked_nano"] for row in days) == total["booked_nano"]
    operators = {(row["channel"], row["operator"]) for row in days}
    assert {("counter", "li"), ("counter", "wang"), ("wechat", ""), ("alipay", "")} <= operators
    without = collections(world.ask())
    assert set(without["matched"]) == {None}
    # An order that the statement names and the next month booked is no gap of either.
    before = collections(world.ask(Period(date(2026, 2, 1), date(2026, 3, 1)), statement=path))
    assert [row["missing_here"] for row in rows(before, level="total")] == [2]


def test_arrears_and_days_left(world: World) -> None:
    frame = arrears(world.ask())
    found = {(row["site"], row["account"]): row for row in rows(frame)}
    for site in ("S1", "S2"):
        accounts = reckoning.reckon(world.history, site, MARCH.first_ms, MARCH.end_ms).accounts
        assert {name: row["balance_nano"] for (of, name), row in found.items() if of == site} == {
            name: money.closing for name, money in accounts.items()
        }
    for row in found.values():
        assert row["arrears_nano"] == max(0, -row["balance_nano"])
        assert (row["status"] == "arrears") == (row["balance_nano"] < 0)
    assert found["S2", "A-FLAT3"]["status"] == "closed"
    assert found["S1", "A-S1-SHOP3"]["days_left"] == 15
    assert list(frame["status"]) == sorted(frame["status"], key=["arrears", "low", "ok", "closed"].index)
    shown = rows(printed_arrears(frame))
    assert all(row["arrears_cents"] == max(0, -row["balance_cents"]) for row in shown)
    early = rows(arrears(world.ask(Period(date(2026, 3, 1), date(2026, 3, 4)))), account="A-FLAT4")
    assert [row["status"] for row in early] == ["low"]


def test_sales_are_all_entries(world: World) -> None:
    frame = sales(world.ask())
    entries = [entry for site in ("S1", "S2") for each in world.history.outcomes(site) for entry in each.entries]
    told = [(row["kind"], row["amount_nano"], row["order_id"], row["operator"]) for row in rows(frame, level="entry")]
    assert told == [(entry.kind, entry.amount, entry.order_id, entry.operator) for entry in entries]
    assert sum(row["amount_nano"] for row in rows(frame, level="group")) == sum(entry.amount for entry in entries)
    shown = printed_sales(frame)
    for level in ("site", "group"):
        assert sum(row["amount_cents"] for row in rows(shown, level=level)) == sum(
            row["amount_cents"] for row in rows(shown, level="entry")
        )


def test_the_silent_meter_is_found(world: World) -> None:
    (row,) = rows(silent(world.ask()))
    assert (row["status"], row["meter"]) == ("lost", "S1-SILENT")
    assert row["seen_ms"] == day_start_ms(date(2026, 3, SILENT_DAY))
    assert row["silent_took_ms"] == ((DAYS - SILENT_DAY + 1) * 24 - 1) * HOUR_MS + 2_000
    assert rows(silent(world.ask(Period(date(2026, 3, 1), date(2026, 3, 20))))) == []


def test_completeness_and_lateness(world: World) -> None:
    meters = {row["meter"]: row for row in rows(completeness(world.ask()), level="meter")}
    assert all(row["interval_took_ms"] == HOUR_MS for row in meters.values())
    lacking = {name for name, row in meters.items() if row["completeness_bp"] < 10_000}
    assert lacking == {"S1-SILENT"}
    read = {
        world.history.site(site).meter_id(int(row["meter"]))
        for site in ("S1", "S2")
        for each in world.history.outcomes(site)
        for row in each.readings
    }
    assert meters.keys() == read
    assert {name for name, row in meters.items() if row["longest_delay_took_ms"] > 60_000} == {"S2-FLAT2"}


def test_alarms_are_counted(world: World) -> None:
    (row,) = rows(alarms(world.ask()))
    assert (row["meter"], row["account"]) == ("S1-BACKWARDS", "A-S1-BACKWARDS")
    assert (row["kind"], row["alarms"], row["last_ms"] - row["first_ms"]) == ("backwards", 5, 4 * HOUR_MS)


def test_commands_until_confirmed(world: World) -> None:
    """Held against a walk over the outcomes: the next reading of the meter that reports the ordered supply."""
    expected = {}
    for site in ("S1", "S2"):
        ledger = world.history.site(site)
        waiting: dict[int, Any] = {}
        for each in world.history.outcomes(site):
            for row in each.readings:
                command = waiting.get(int(row["meter"]))
                wanted = command and (Supply.OFF if command.action == "cut" else Supply.ON)
                if command and int(row["supply"]) == wanted and int(row["at"]) > command.at:
                    key = (ledger.meter_id(command.meter), command.sequence)
                    expected[key] = ("confirmed", int(row["at"]) - command.at)
                    del waiting[int(row["meter"])]
            for command in each.commands:
                waiting[command.meter] = command
                expected[ledger.meter_id(command.meter), command.sequence] = ("open", None)
    found = {
        (row["meter"], row["sequence"]): (row["status"], row["until_confirmed_took_ms"])
        for row in rows(commands(world.ask()))
    }
    assert found == expected
    assert {status for status, _ in found.values()} == {"confirmed", "open"}


def test_ranking_against_a_month_before(world: World) -> None:
    second = ranking(world.ask(Period(date(2026, 3, 15), date(2026, 4, 1))))
    assert set(second["month_before_milli"]) == {None}
    april = rows(ranking(world.ask(Period(date(2026, 4, 1), date(2026, 4, 2)))))
    (row,) = (row for row in april if row["meter"] == "S1-SHOP2")
    days = reckoning.meter_days(world.history, "S1")
    epoch = date(1970, 1, 1)
    before = days["S1-SHOP2", (date(2026, 3, 1) - epoch).days][0]
    now = days["S1-SHOP2", (date(2026, 4, 1) - epoch).days][0]
    assert (row["consumption_milli"], row["month_before_milli"]) == (now, before)
    assert row["month_over_month_bp"] == (now - before) * 10_000 // before
    assert [row["rank"] for row in april if row["kind"] == "water"] == [1, 2, 3]


def test_the_loss_is_unexplained_from_the_theft_on(world: World) -> None:
    frame = losses(world.ask(meters=world.wiring))
    days = {row["day"].day: row for row in rows(frame, level="day")}
    assert [day for day, row in days.items() if row["unexplained"]] == [*range(THEFT_DAY, SILENT_DAY)]
    assert days[SILENT_DAY]["subs_heard"] == len(SUBS) - 1
    reckoned = reckoning.meter_days(world.history, "S1")
    base = (date(2026, 3, 1) - date(1970, 1, 1)).days - 1
    for day, row in days.items():
        shown = {meter: sums[0] for (meter, of), sums in reckoned.items() if of == base + day}
        master = shown.pop("S1-MASTER")
        assert (row["master_milli"], row["loss_milli"]) == (master, master - sum(shown.values()))
    assert sum(row["loss_milli"] for row in rows(frame, level="hour")) == rows(frame, level="total")[0]["loss_milli"]
    assert rows(losses(world.ask(meters=world.wiring, site="S2"))) == []
    with pytest.raises(AnalyticsError, match="no meter S1-NOBODY"):
        losses(world.ask(meters=write_wiring(world.wiring.with_name("wrong.toml"), ["SHOP1", "NOBODY"])))
    with pytest.raises(AnalyticsError, match="--meters"):
        losses(world.ask())


@pytest.mark.parametrize("wired", [True, False], ids=["wired", "not-wired"])
def test_the_thief_is_suspected_and_nobody_else(world: World, wired: bool) -> None:
    frame = theft(world.ask(meters=world.wiring if wired else None))
    suspects = [(row["meter"], row["score"], row["sign"]) for row in rows(frame, level="meter")]
    thief = ("S1-THEFT", 70, "stopped, loss") if wired else ("S1-THEFT", 40, "stopped")
    assert suspects == [thief, ("S1-BACKWARDS", 30, "backwards")]
    seen = rows(frame, level="evidence", meter="S1-THEFT", sign="stopped")
    reckoned = reckoning.meter_days(world.history, "S1")
    base = (date(2026, 3, 1) - date(1970, 1, 1)).days - 1
    expected = [reckoned["S1-THEFT", base + row["day"].day][0] for row in seen]
    assert [row["consumption_milli"] for row in seen] == expected
    assert len(rows(frame, level="evidence", sign="backwards")) == 5


SHARE = ("share", "A-HOUSE", "--site", "S1", "--from", "2026-03-01", "--to", "2026-04-01")


def test_a_public_meter_is_shared_by_consumption(world: World) -> None:
    """What is printed is an order that the ledger takes, and it moves what the report says that the month cost."""
    done = sluice(world, *SHARE, "--except", "A-S1-THEFT")
    assert done.exit_code == 0, done.output
    order = json.loads(done.stdout)
    (house,) = rows(
        printed_energy_and_finance(energy_and_finance(world.ask(site="S1"))), account="A-HOUSE", level="account"
    )
    assert order["amount"] == f"{house['deducted_cents'] // 100}.{house['deducted_cents'] % 100:02d}"
    used = {
        row["account"]: row["electricity_milli"]
        for row in rows(energy_and_finance(world.ask(site="S1")), level="account")
        if row["electricity_milli"] and row["account"] not in ("A-HOUSE", "A-S1-THEFT")
    }
    assert {account: round(float(weight) * 1000) for account, weight in order["weights"].items()} == used
    ledger = SiteLedger("S1")
    for account in ("A-HOUSE", *used):
        ledger.take_order({"order": "open_account", "account": account}, at=0, position=Position(Source.ORDERS, 0))
    ledger.take_order(order, at=0, position=Position(Source.ORDERS, 1))
    outcome = ledger.settle()
    assert outcome.refusals == ()
    assert outcome.entries[0].amount == house["deducted_cents"] * 10**7
    assert sum(entry.amount for entry in outcome.entries) == 0


def test_a_public_meter_is_shared_by_area(world: World, tmp_path: Path) -> None:
    areas = tmp_path / "areas.csv"
    areas.write_text("account,weight\nA-S1-SHOP2,35.5\nA-S1-SHOP3,20\n")
    order = json.loads(sluice(world, *SHARE, "--by", "area", "--weights", str(areas)).stdout)
    assert (order["weights"], order["by"]) == ({"A-S1-SHOP2": "35.5", "A-S1-SHOP3": "20"}, "area")
    assert order["order_id"] == "share:A-HOUSE:2026-03-01:2026-04-01"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("account,weight\nA-S1-SHOP2,x\n", "line 2: weight 'x'"),
        ("account,weight\nA-S1-SHOP2,1\nA-S1-SHOP2,1\n", "line 3: A-S1-SHOP2 stands twice"),
        ("account\nA-S1-SHOP2\n", "no column weight"),
        ("account,weight\nNOBODY,1\n", "has no account 'NOBODY'"),
        ("account,weight\n", "no other account"),
    ],
)
def test_weights_that_cannot_be_used_are_told(world: World, tmp_path: Path, text: str, said: str) -> None:
    areas = tmp_path / "areas.csv"
    areas.write_text(text)
    done = sluice(world, *SHARE, "--by", "area", "--weights", str(areas))
    assert isinstance(done.exception, AnalyticsError)
    assert said in str(done.exception)


def test_who_is_left_out_of_a_share_must_be_there(world: World) -> None:
    """A slip of the pen would have somebody pay who is not to."""
    done = sluice(world, *SHARE, "--except", "A-S1-THIEF")
    assert isinstance(done.exception, AnalyticsError)
    assert "site S1 has no account 'A-S1-THIEF'" in str(done.exception)


def test_a_closed_account_is_told_before_the_ledger_refuses_its_share(world: World) -> None:
    weights = ("--by", "parts", "--weights", str(write_weights(world, "A-FLAT2", "A-FLAT3")))
    asked = ("share", "A-FLAT1", "--site", "S2", "--from", "2026-03-01", "--to", "2026-04-01", *weights)
    done = sluice(world, *asked)
    assert isinstance(done.exception, AnalyticsError)
    assert "closed 'A-FLAT3'" in str(done.exception)
    assert json.loads(sluice(world, *asked, "--except", "A-FLAT3").stdout)["weights"] == {"A-FLAT2": "1"}


def write_weights(world: World, *accounts: str) -> Path:
    path = world.wiring.with_name("weights.csv")
    path.write_text("account,weight\n" + "".join(f"{account},1\n" for account in accounts))
    return path


def test_a_period_that_is_not_over_is_not_shared(world: World) -> None:
    done = sluice(world, *SHARE[:-1], "2099-01-01")
    assert "is not over" in str(done.exception)


def sluice(world: World, *arguments: str) -> Result:
    """The command line, against the month's database."""
    return CliRunner().invoke(app, arguments, env={"SLUICE_CLICKHOUSE": world.url})


def test_the_command_line(world: World, tmp_path: Path) -> None:
    asked = ("report", "energy-and-finance", "--from", "2026-03-01", "--to", "2026-04-01")
    sheet, picture = tmp_path / "march.xlsx", tmp_path / "march.png"
    done = sluice(world, *asked, "--out", str(sheet), "--plot", str(picture))
    assert (done.exit_code, done.stdout) == (0, ""), done.output
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    with zipfile.ZipFile(sheet) as book:
        cells = book.read("xl/worksheets/sheet1.xml").decode()
    done = sluice(world, *asked, "--format", "json")
    group = json.loads(done.stdout)[-1]
    assert group["level"] == "group"
    assert group["site"] is None
    assert f"<v>{float(group['deducted_yuan']):.16G}</v>" in cells
    whole = json.loads(sluice(world, *asked, "--format", "json", "--exact").stdout)[-1]
    assert len(whole["deducted_yuan"].partition(".")[2]) > 2
    wrong = sluice(world, "report", "energy-and-finance", "--from", "2026-03-01", "--to", "2026-03-01")
    assert isinstance(wrong.exception, AnalyticsError)
    assert "is no day" in str(wrong.exception)
    unknown = sluice(world, "report", "nothing", "--from", "2026-03-01", "--to", "2026-04-01")
    assert unknown.exit_code == 2


def test_the_audit_on_the_command_line(world: World) -> None:
    done = sluice(world, "audit", "--json")
    assert done.exit_code == 0
    assert all(check["wrong"] == 0 for check in json.loads(done.stdout)["checks"])
    world.client.execute("RENAME TABLE entries TO entries_kept")
    try:
        world.client.execute("CREATE VIEW entries AS SELECT * FROM entries_kept WHERE order_id != 'S2-0012'")
        done = sluice(world, "audit")
        assert done.exit_code == 1
        assert "balances: site S2, account A-FLAT1" in done.stdout
    finally:
        world.client.execute("DROP VIEW entries")
        world.client.execute("RENAME TABLE entries_kept TO entries")


def test_every_report_is_drawn_and_written_also_where_nothing_was(world: World, tmp_path: Path) -> None:
    assert DRAWINGS.keys() == REPORTS.keys()
    statement = write_statement(world, tmp_path / "wechat.csv")
    empty = tmp_path / "places.csv"
    empty.write_text("site,meter\n")
    for period in (MARCH, Period(date(2020, 1, 1), date(2020, 1, 2))):
        question = world.ask(period, meters=world.wiring, statement=statement, places=empty)
        for name, report in REPORTS.items():
            frame = report.make(question)
            picture = tmp_path / f"{name}.png"
            save(DRAWINGS[name](frame), picture)
            assert picture.stat().st_size > 5_000
            shown = report.printed(frame)
            assert len(as_table(shown).splitlines()) == len(as_csv(shown).splitlines()) == len(shown) + 1
            assert len(json.loads(as_json(shown))) == len(shown)
            write_xlsx(shown, tmp_path / f"{name}.xlsx", title=report.title)
            floats = [column for column in frame if any(isinstance(value, float) for value in frame[column])]
            assert floats == [], f"{name} has floats"


def test_the_month_begins_where_the_history_does() -> None:
    assert MARCH.first_ms == round(BEGIN.timestamp() * 1000)


def test_the_analysts_page_shows_what_its_cells_print(world: World, tmp_path: Path) -> None:
    (tmp_path / "analyst").mkdir()
    page = PAGE.read_text()
    assert run_session(page, world.url, tmp_path) == page
    drawn = {path.name for path in (tmp_path / "analyst").iterdir()}
    assert drawn == {path.name for path in (PAGE.parent / "analyst").iterdir()} == {"hours.png", "losses.png"}


def test_the_registry_tells_from_when_until_when(world: World) -> None:
    replaced = datetime(2026, 3, 21, 1, 20, tzinfo=UTC)
    closed = datetime(2026, 3, 23, 1, 20, tzinfo=UTC)
    meters = {
        meter: (begun, ended)
        for meter, begun, ended in world.client.execute("SELECT meter, valid_from, valid_until FROM meter_validity")
    }
    begin = BEGIN.astimezone(UTC)
    assert {meter for meter, (_, ended) in meters.items() if ended} == {"S1-SHOP4", "S2-FLAT3", "S2-WATER3"}
    assert meters["S1-SHOP4"] == (begin, replaced)
    assert meters["S1-SHOP4N"] == (replaced, None)
    assert meters["S2-FLAT3"] == meters["S2-WATER3"] == (begin, closed)
    accounts = world.client.execute(
        "SELECT account, valid_from, valid_until FROM account_validity WHERE valid_until IS NOT NULL"
    )
    assert accounts == [("A-FLAT3", begin, closed)]
    ((held,),) = world.client.execute("SELECT count() FROM account_validity WHERE valid_until IS NULL")
    assert held == 12 + 3
    tariffs = world.client.execute("SELECT site, tariff, valid_from, valid_until FROM tariff_validity ORDER BY ALL")
    assert tariffs == [("S1", "E", begin, None), ("S2", "E", begin, None), ("S2", "W", begin, None)]


def test_versions_of_a_tariff_follow_each_other(clickhouse: str) -> None:
    with own_database(clickhouse, "versions") as url:
        client = Client.from_url(url)
        days = [date(2026, 1, 1), date(2026, 3, 1), date(2026, 2, 1), date(2026, 3, 1)]
        client.execute(
            "INSERT INTO tariff_versions (site, number, tariff, starts_at) VALUES",
            [
                ("S1", number, "E", datetime(day.year, day.month, day.day, tzinfo=UTC))
                for number, day in enumerate(days)
            ],
        )
        found = client.execute(
            "SELECT version, toDate(valid_from), toDate(valid_until) FROM tariff_validity ORDER BY valid_from, version"
        )
        # Of the two that begin in March the earlier one never holds.
        assert found == [
            (0, days[0], days[2]),
            (2, days[2], days[1]),
            (1, days[1], days[1]),
            (3, days[3], None),
        ]
        client.disconnect()


def test_zones_and_areas(world: World, tmp_path: Path) -> None:
    path = tmp_path / "places.csv"
    named = {
        "S1-SHOP3": ("East", "E-1", "50.5"),
        "S1-SHOP4": ("East", "E-1", "100"),
        "S1-SHOP5": ("East", "E-2", "20"),
        "S1-SHOP6": ("West", "W-1", ""),
        "S1-SHOP7": ("West", "W-2", "10"),
    }
    lines = [f"S1,{meter},{','.join(place)}" for meter, place in named.items()]
    path.write_text("\ufeffsite,meter,building,circuit,area_m2,note\n" + "\n".join(f"{line},x" for line in lines))
    question = world.ask(site="S1", places=path)
    frame = zones(question)
    used: dict[str, int] = Counter()
    # What was read at midnight is the next month's.
    april = (MARCH.end - date(1970, 1, 1)).days
    days = {key: sums for key, sums in reckoning.meter_days(world.history, "S1").items() if key[1] < april}
    for (meter, _), (consumption, _) in days.items():
        used[meter.replace("SHOP4N", "SHOP4")] += consumption
    rest = sum(used.values()) - sum(used[meter] for meter in named)
    found = [
        (row["level"], row["building"], row["circuit"], row["meters"], row["consumption_milli"], row["area_m2_milli"])
        for row in rows(frame)
    ]
    shops = {number: used[f"S1-SHOP{number}"] for number in range(3, 8)}
    assert found == [
        ("building", "East", None, 3, shops[3] + shops[4] + shops[5], 170_500),
        ("circuit", "East", "E-1", 2, shops[3] + shops[4], 150_500),
        ("circuit", "East", "E-2", 1, shops[5], 20_000),
        ("building", "West", None, 2, shops[6] + shops[7], None),
        ("circuit", "West", "W-1", 1, shops[6], None),
        ("circuit", "West", "W-2", 1, shops[7], 10_000),
        ("unplaced", None, None, len(used) - len(named), rest, None),
    ]
    (circuit,) = rows(frame, circuit="E-2")
    assert circuit["per_m2_milli"] == (shops[5] + 10) // 20
    paid = sum(row["amount_nano"] for row in rows(frame) if row["level"] != "circuit")
    assert paid == sum(amount for _, amount in days.values())
    ranked = {row["meter"]: (row["area_m2_milli"], row["per_m2_milli"]) for row in rows(ranking(question))}
    assert ranked["S1-SHOP5"] == (20_000, circuit["per_m2_milli"])
    assert ranked["S1-SHOP4N"][0] == 100_000
    assert ranked["S1-SHOP6"] == ranked["S1-MASTER"] == (None, None)
    path.write_text("site,meter\nS1,S1-NONE\n")
    with pytest.raises(AnalyticsError, match="site S1 has no meter S1-NONE"):
        zones(question)
    with pytest.raises(AnalyticsError, match="--places"):
        zones(world.ask())
