"""Postings become the rows of the tables, each value in its place and each row with its cause."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks.clickhouse.columns import table_rows
from sinks.clickhouse.registry import Registry
from sinks.clickhouse.sink import Record, posted
from sinks.clickhouse.tables import TIME_COLUMNS, Posted, TableRows, Words, cut_by_month, month_bounds_ms
from sinks.errors import RegistryError, SinkError
from streams.core.outcome import (
    NO_CELL,
    NO_VERSION,
    Alarm,
    Command,
    Entry,
    Figures,
    MeterInstalled,
    Notice,
    Outcome,
    Position,
    Refusal,
    Source,
)
from streams.postings import Inputs, Postings, Span
from tests.sink_postings import introduction, made_postings, ms, pieces, readings, records, totals

AT = ms("2026-01-31T23:59:59.999")
NEXT_MONTH = AT + 1
CAUSE = Position(Source.ORDERS, 77, 3)


def at_offset(offset: int, outcome: Outcome, *, partition: int = 5, site: str = "S1") -> Posted:
    inputs = Inputs(Span(10, 20), Span(7, 8))
    return Posted(partition, offset, Postings(site, partition, 40 + offset, inputs, outcome, 1, 2))


INTRODUCED = at_offset(0, introduction("S1", meters=4, at=AT))


def rows_of(*outcomes: Outcome, table: str) -> list[dict[str, Any]]:
    """The table's rows as dicts, by month, with the site S1 introduced before."""
    given_rows = [INTRODUCED, *(at_offset(number, outcome) for number, outcome in enumerate(outcomes, start=1))]
    found = []
    for rows in table_rows(given_rows, Registry()):
        if rows.table == table:
            found += as_dicts(rows)
    return found


def as_dicts(rows: TableRows) -> list[dict[str, Any]]:
    columns = {
        name: (column.words[column.codes] if isinstance(column, Words) else column).tolist()
        for name, column in rows.columns.items()
    }
    assert {len(column) for column in columns.values()} == {rows.count}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


READING: dict[str, Any] = {
    "offset": 1234,
    "line": 8,
    "source": Source.FRAMES,
    "supply": 2,
    "flags": 24,
    "meter": 3,
    "account": 1,
    "at": NEXT_MONTH,
    "read_at": AT,
    "register": -5,
    "consumption": 6,
    "amount": 7_000_000_000_000,
    "balance": -8,
}
READING_ROW: dict[str, Any] = {
    "site": "S1",
    "gateway": "S1-G1",
    "account": "S1-A1",
    "meter": "S1-M3",
    "kind": "water",
    "at": NEXT_MONTH,
    "read_at": AT,
    "register_milli": -5,
    "consumption_milli": 6,
    "amount_nano": 7_000_000_000_000,
    "balance_nano": -8,
    "tariff": "S1-T",
    "version": 0,
    "band": "valley",
    "tier": 1,
    "flags": 24,
    "supply": 2,
    "source": 0,
    "partition": 5,
    "offset": 1234,
    "line": 8,
    "posting_offset": 1,
}


def test_a_reading_at_one_price() -> None:
    outcome = Outcome(readings=readings(**READING | {"version": 0, "band": 1, "tier": 1}))
    assert rows_of(outcome, table="readings") == [READING_ROW]


def test_a_reading_without_a_single_price() -> None:
    expected = READING_ROW | {"tariff": "", "version": NO_VERSION, "band": "", "tier": NO_CELL}
    assert rows_of(Outcome(readings=readings(**READING)), table="readings") == [expected]


def test_pieces_find_their_reading_in_their_own_posting() -> None:
    first = Outcome(readings=readings(**READING | {"meter": 0, "account": 0, "line": np.arange(3)}))
    second = Outcome(
        readings=readings(**READING | {"line": np.arange(2)}),
        pieces=pieces((1, 0, 0, 0, AT - 10, 20, 30), (1, 0, 1, 1, AT - 5, 21, 31)),
    )
    common = {
        "site": "S1",
        "gateway": "S1-G1",
        "account": "S1-A1",
        "meter": "S1-M3",
        "kind": "water",
        "at": NEXT_MONTH,
        "read_at": AT,
        "source": 0,
        "offset": 1234,
        "line": 1,
        "partition": 5,
        "posting_offset": 2,
        "tariff": "S1-T",
        "version": 0,
    }
    assert rows_of(first, second, table="pieces") == [
        common | {"start": AT - 10, "quantity_milli": 20, "amount_nano": 30, "band": "peak", "tier": 0},
        common | {"start": AT - 5, "quantity_milli": 21, "amount_nano": 31, "band": "valley", "tier": 1},
    ]


CAUSED = {"site": "S1", "at": AT, "source": 1, "partition": 5, "offset": 77, "line": 3, "posting_offset": 1}


@pytest.mark.parametrize(
    ("outcome", "table", "expected"),
    [
        (
            Outcome(entries=(Entry(CAUSE, AT, 1, "reversal", -9, -8, "V1", "R1", "counter", "why", operator="li"),)),
            "entries",
            {
                "account": "S1-A1",
                "kind": "reversal",
                "amount_nano": -9,
                "balance_nano": -8,
                "order_id": "V1",
                "of": "R1",
                "channel": "counter",
                "reason": "why",
                "operator": "li",
                "nth": 0,
            },
        ),
        (
            Outcome(commands=(Command(CAUSE, AT, 2, "cut", "arrears", True, 9),)),
            "commands",
            {
                "gateway": "S1-G1",
                "meter": "S1-M2",
                "sequence": 9,
                "action": "cut",
                "reason": "arrears",
                "repeat": True,
                "amount_nano": 0,
                "count": 0,
            },
        ),
        (
            Outcome(commands=(Command(CAUSE, AT, 2, "recharge", "sale", False, 9, amount=5 * 10**9, count=4),)),
            "commands",
            {
                "gateway": "S1-G1",
                "meter": "S1-M2",
                "sequence": 9,
                "action": "recharge",
                "reason": "sale",
                "repeat": False,
                "amount_nano": 5 * 10**9,
                "count": 4,
            },
        ),
        (Outcome(notices=(Notice(CAUSE, AT, 0, "low1"),)), "notices", {"account": "S1-A0", "kind": "low1"}),
        (
            Outcome(alarms=(Alarm(CAUSE, AT, 1, "backwards"),)),
            "alarms",
            {"meter": "S1-M1", "kind": "backwards", "ledger_nano": 0, "remaining_nano": 0, "count": 0, "frame": ""},
        ),
        (
            Outcome(alarms=(Alarm(CAUSE, AT, 1, "credit", Figures(7, -8, 3)),)),
            "alarms",
            {"meter": "S1-M1", "kind": "credit", "ledger_nano": 7, "remaining_nano": -8, "count": 3, "frame": ""},
        ),
        (
            Outcome(alarms=(Alarm(CAUSE, AT, 1, "overload", frame=b"\x68\x16"),)),
            "alarms",
            {"meter": "S1-M1", "kind": "overload", "ledger_nano": 0, "remaining_nano": 0, "count": 0, "frame": "6816"},
        ),
        (
            Outcome(refusals=(Refusal(CAUSE, AT, "unknown", "M99"),)),
            "refusals",
            {"reason": "unknown", "subject": "M99"},
        ),
    ],
    ids=["entry", "command", "recharge", "notice", "alarm", "credit", "condition", "refusal"],
)
def test_an_event(outcome: Outcome, table: str, expected: dict[str, Any]) -> None:
    assert rows_of(outcome, table=table) == [CAUSED | expected]


def test_a_meter_that_takes_the_place_of_another() -> None:
    installed = MeterInstalled(
        CAUSE,
        AT,
        4,
        "M-new",
        1,
        "water",
        7000,
        60,
        gateway="G9",
        address="12",
        template="dlt645-2007",
        replaces=3,
        digits=6,
    )
    assert rows_of(Outcome(meters=(installed,)), table="meters")[-1] == CAUSED | {
        "number": 4,
        "meter": "M-new",
        "account": "S1-A1",
        "kind": "water",
        "register_milli": 7000,
        "ratio": 60,
        "gateway": "G9",
        "address": "12",
        "template": "dlt645-2007",
        "replaces": "S1-M3",
        "digits": 6,
    }
    assert rows_of(table="meters")[0]["replaces"] == ""


def test_accounts_and_versions() -> None:
    assert [row["account"] for row in rows_of(table="accounts")] == ["S1-A0", "S1-A1"]
    (version,) = rows_of(table="tariff_versions")
    assert version["tiers"] == (0, 200_000)
    assert version["bands"] == ("peak", "valley")
    assert version["prices"] == (((1_200_000, 1_300_000), (350_000, 450_000)),)


def test_the_journal_has_a_row_for_each_posting() -> None:
    outcome = Outcome(
        readings=readings(**READING | {"line": np.arange(3)}),
        pieces=pieces((1, 0, 0, 0, AT, 20, 30)),
        entries=(Entry(CAUSE, AT, 1, "recharge", 1, 1, "R1"),) * 2,
    )
    assert rows_of(outcome, table="postings")[1] == {
        "site": "S1",
        "sequence": 41,
        "part": 1,
        "parts": 2,
        "frames_first": 10,
        "frames_next": 20,
        "orders_first": 7,
        "orders_next": 8,
        "readings": 3,
        "pieces": 1,
        "entries": 2,
        "partition": 5,
        "posting_offset": 1,
    }


def test_rows_of_two_months_are_two_inserts() -> None:
    times = np.array([AT, NEXT_MONTH, AT, NEXT_MONTH])
    outcome = Outcome(readings=readings(**READING | {"read_at": times, "line": np.arange(4)}))
    found = [
        (rows.table, rows.month, [row["line"] for row in as_dicts(rows)])
        for rows in table_rows([INTRODUCED, at_offset(1, outcome)], Registry())
        if rows.table == "readings"
    ]
    assert found == [("readings", 202601, [0, 2]), ("readings", 202602, [1, 3])]


def test_registry_comes_before_what_names_it_and_the_journal_last() -> None:
    tables = [rows.table for rows in table_rows([posted(each) for each in records(SAMPLE)], Registry())]
    assert [table for number, table in enumerate(tables) if table not in tables[:number]] == list(TIME_COLUMNS)


SAMPLE = list(made_postings(partitions=3, batches=3, meters=5, count=30, seed=7))


def test_no_row_is_lost_or_made_up_and_the_same_postings_give_the_same_rows() -> None:
    taken = [posted(each) for each in records(SAMPLE)]
    found: dict[str, int] = {}
    amount = 0
    ahead = Registry()
    for once, again in zip(table_rows(taken, ahead), table_rows(taken, ahead), strict=True):
        assert as_dicts(once) == as_dicts(again)
        found[once.table] = found.get(once.table, 0) + once.count
        if once.table == "readings":
            amount += sum(row["amount_nano"] for row in as_dicts(once))
    assert found == totals(SAMPLE).rows
    assert amount == totals(SAMPLE).amount


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        (Outcome(readings=readings(**READING | {"meter": 9})), "number 9 was never introduced"),
        (Outcome(readings=readings(**READING | {"account": 9})), "number 9 was never introduced"),
        (Outcome(readings=readings(**READING | {"version": 9})), "number 9 was never introduced"),
        (Outcome(readings=readings(**READING | {"version": 0, "band": 2})), "fewer bands"),
        (Outcome(notices=(Notice(CAUSE, AT, 9, "low1"),)), "number 9 was never introduced"),
        (Outcome(alarms=(Alarm(CAUSE, AT, 9, "backwards"),)), "number 9 was never introduced"),
    ],
    ids=["meter", "account", "version", "band", "event's account", "event's meter"],
)
def test_a_number_without_a_name_says_where_it_is(outcome: Outcome, message: str) -> None:
    with pytest.raises(RegistryError, match=f"site S1, partition 5, offset 1: .*{message}"):
        rows_of(outcome, table="readings")


def test_bytes_that_are_no_posting_say_where_they_are() -> None:
    with pytest.raises(SinkError, match="partition 3, offset 17: byte 0: magic"):
        posted(Record(3, 17, b"{} no posting"))


@given(st.lists(st.integers(ms("1900-01-01T00:00"), ms("2299-12-31T00:00")), min_size=1, max_size=20))
def test_each_row_is_in_the_month_it_is_sent_to(times: list[int]) -> None:
    columns: dict[str, Any] = {"at": np.array(times), "line": np.arange(len(times))}
    seen: list[int] = []
    for rows in cut_by_month("entries", columns):
        start, end = month_bounds_ms(rows.month)
        for row in as_dicts(rows):
            assert start <= row["at"] < end
            assert times[row["line"]] == row["at"]
            seen.append(row["line"])
    assert sorted(seen) == list(range(len(times)))
