"""Energy and finance over months in which little or nothing was booked, on histories that hypothesis draws.

Accounts that rest for months, meters that are silent, replaced or closed, and readings that come weeks late are what
tells sums of the month before from all that was ever booked. What is right is reckoned from the core's outcomes.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import count, product
from typing import Any

import pytest
from clickhouse_driver import Client
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from analytics.period import Period
from analytics.question import Question
from analytics.reports import booked
from analytics.reports.energy_finance import MONEY, energy_and_finance
from tests import reckoning
from tests.integration.clickhouse_places import own_database
from tests.ledger_history import History, Line

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
PERIODS = [
    Period(date(2026, 2, 1), date(2026, 3, 1)),
    Period(date(2026, 4, 1), date(2026, 6, 1)),
    Period(date(2026, 3, 10), date(2026, 3, 20)),
    Period(date(2027, 1, 1), date(2027, 2, 1)),
]
SITES = count(1)
VIEWS = ("account_day", "meter_day", "readings_by_day", "readings_by_month")

STEPS = st.lists(
    st.tuples(
        st.sampled_from([1, 5, 24, 24 * 20, 24 * 45]),
        st.sampled_from(["A1", "A2"]),
        st.sampled_from(["read", "read", "read", "late", "recharge", "replace", "close"]),
        st.integers(0, 30),
    ),
    min_size=1,
    max_size=25,
)


@pytest.fixture(scope="module")
def places(clickhouse: str) -> Iterator[tuple[str, Any]]:
    with own_database(clickhouse, "months") as url:
        client = Client.from_url(url)
        yield url, client
        client.disconnect()


def text(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def lines(site: str, steps: list[tuple[int, str, str, int]]) -> Iterator[Line]:
    """What came to the ledger, a step after the other; registers of a meter go on from each other."""
    at, orders = BEGIN, count(1)
    meters, registers, closed = {"A1": "A1-1", "A2": "A2-1"}, {"A1": 10, "A2": 20}, set()

    def line(**fields: Any) -> Line:
        return {"at": text(at), "site": site, **fields}

    yield line(
        order="set_tariff", tariff="E", from_=text(BEGIN), unit="kWh", cycle="month",
        components={"supply": {"all": ["0.713457"]}}, tiers=["0"],
    )  # fmt: skip
    for account, meter in meters.items():
        yield line(order="open_account", account=account)
        yield line(
            order="install_meter", meter=meter, account=account, kind="electricity", register=str(registers[account]),
            ratio=3, tariff="E",
        )  # fmt: skip
    for hours, account, what, used in steps:
        at += timedelta(hours=hours)
        if what == "recharge":
            yield line(order="recharge", account=account, order_id=f"R{next(orders)}", amount=str(used + 1))
        elif account in closed:
            continue
        elif what == "late":
            read_at = text(at - timedelta(days=used + 1))
            yield line(reading={"meter": meters[account], "register": str(registers[account]), "read_at": read_at})
        elif what == "read":
            registers[account] += used
            yield line(reading={"meter": meters[account], "register": str(registers[account]), "read_at": text(at)})
        elif what == "replace":
            old, number = meters[account], int(meters[account][3:]) + 1
            meters[account] = f"{account}-{number}"
            final = str(registers[account] + used)
            registers[account] = used
            yield line(
                order="replace_meter", meter=old, final=final, new_meter=meters[account], register=str(used), ratio=2
            )
        else:
            closed.add(account)
            finals = {meters[account]: str(registers[account] + used)}
            yield line(order="close_account", account=account, finals=finals)


def check_views(client: Any, site: str) -> None:
    """Every view of stored sums gives what the same view gives from the rows."""
    ((readings,),) = client.execute(f"SELECT count() FROM readings WHERE site = '{site}'")
    for view in VIEWS:
        sql = f"SELECT * FROM {view} WHERE site = '{site}' ORDER BY ALL"
        # Where there is nothing to sum up, no stored sum is taken.
        stored = client.execute(sql, settings={"force_optimize_projection": int(readings > 0)})
        assert stored == client.execute(sql, settings={"optimize_use_projections": 0}), view


# Without shrinking, which would take minutes: every example is written to the database.
@settings(max_examples=10, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(steps=STEPS, size=st.integers(1, 9), block=st.integers(5, 30))
def test_any_period_is_as_reckoned(
    places: tuple[str, Any], steps: list[tuple[int, str, str, int]], size: int, block: int
) -> None:
    url, client = places
    number = next(SITES)
    site = f"P{number}"
    history = History()
    history.take(number, [{key.rstrip("_"): value for key, value in line.items()} for line in lines(site, steps)],
                 size=size)  # fmt: skip
    history.write(url, block=block)
    check_views(client, site)
    # So many accounts that lack rows are asked for by name; of more all that was ever booked is asked.
    for period, named in product(PERIODS, (0, booked.KEYS)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(booked, "KEYS", named)
            rows = energy_and_finance(Question(client, period, site=site)).to_dict("records")
        expected = reckoning.reckon(history, site, period.first_ms, period.end_ms)
        accounts = {row["account"]: [row[name] for name in MONEY] for row in rows if row["level"] == "account"}
        assert accounts == {
            name: [getattr(money, column.removesuffix("_nano")) for column in MONEY]
            for name, money in expected.accounts.items()
        }
        names = ("account", "opening_register_milli", "closing_register_milli", "electricity_milli", "deducted_nano")
        meters = {row["meter"]: [row[name] for name in names] for row in rows if row["level"] == "meter"}
        assert meters == {
            name: [meter.account, meter.opening, meter.closing, meter.consumption, meter.deducted]
            for name, meter in expected.meters.items()
            if not meter.over_before or meter.deducted
        }
