"""Statements are read exactly, or refused with the line that is wrong."""

from datetime import date
from pathlib import Path

import pytest

from analytics.errors import AnalyticsError
from analytics.reports.collections import Booked, compare
from analytics.statement import Statement, StatementLine, read_statement


def write(folder: Path, text: str) -> Path:
    path = folder / "statement.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_statement_is_read(tmp_path: Path) -> None:
    text = '﻿order_id,amount,channel,day,note\nR1, 12.50 ,wechat,2026-03-01,"a, b"\nR2,-3,alipay,,\n'
    assert read_statement(write(tmp_path, text)) == Statement(
        (
            StatementLine("R1", 12_500_000_000, "wechat", "", date(2026, 3, 1)),
            StatementLine("R2", -3_000_000_000, "alipay"),
        ),
        frozenset({"wechat", "alipay"}),
    )


def test_a_statement_without_channels_speaks_for_all(tmp_path: Path) -> None:
    assert read_statement(write(tmp_path, "order_id,amount\nR1,1\n")).channels == frozenset()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("order_id\nR1\n", "no column amount"),
        ("", "no column order_id and no column amount"),
        ("order_id,amount\nR1,1.234\n", "line 2: '1.234' is no amount"),
        ("order_id,amount\nR1,1\nR2\n", "line 3: '' is no amount"),
        ("order_id,amount\n,1\n", "line 2"),
        ("order_id,amount\nR1,1e3\n", "'1e3' is no amount"),
        ("order_id,amount,day\nR1,1,3/1\n", "'3/1' is no day"),
        ("order_id,amount\nR1,1\nR2,1,234.50\n", "line 3: more texts than headings"),
        ('order_id,amount\nR2,"1,234.50"\n', "line 2: '1,234.50' is no amount"),
        ("order_id,amount,amount\nR1,1,2\n", "two columns amount"),
        ("order_id,amount,channel,channel\nR1,1,a,b\n", "two columns channel"),
        ("order_id;amount\nR1;1\n", "no column order_id and no column amount; there is order_id;amount"),
        ("订单号,金额\nR1,1\n", "no column amount; there is 订单号, 金额"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(AnalyticsError, match=told):
        read_statement(write(tmp_path, text))


def test_a_statement_of_a_chinese_spreadsheet_is_read(tmp_path: Path) -> None:
    """In GBK, with empty columns behind it."""
    path = tmp_path / "statement.csv"
    path.write_bytes("订单, order_id ,amount,channel,,\r\n东楼,R1,12.50,微信,,\r\n".encode("gbk"))
    assert read_statement(path).lines == (StatementLine("R1", 12_500_000_000, "微信"),)


def test_a_text_of_neither_encoding_is_told(tmp_path: Path) -> None:
    path = tmp_path / "statement.csv"
    path.write_bytes("order_id,amount\nR1,1\n".encode("utf-16"))
    with pytest.raises(AnalyticsError, match="neither UTF-8 nor GBK"):
        read_statement(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(AnalyticsError, match="No such file"):
        read_statement(tmp_path / "none.csv")


def booked(order_id: str, amount: int, *, site: str = "S1", channel: str = "wechat", asked: int = 1) -> Booked:
    return Booked(site, channel, "", date(2026, 3, 1), order_id, "A1", amount, asked)


def results(
    orders: list[Booked], *lines: StatementLine, channels: tuple[str, ...] = ()
) -> list[tuple[str, str | None]]:
    found = []
    for each in compare(orders, Statement(lines, frozenset(channels))):
        either = each.booked or each.stated
        assert either is not None
        found.append((either.order_id, each.result))
    return found


@pytest.mark.parametrize(
    ("orders", "lines", "found"),
    [
        ([booked("R1", 5)], [StatementLine("R1", 5)], [("R1", "matched")]),
        ([booked("R1", 5)], [StatementLine("R1", 6)], [("R1", "different")]),
        ([booked("R1", 5)], [], [("R1", "missing_there")]),
        ([], [StatementLine("R1", 5)], [("R1", "missing_here")]),
        ([booked("R1", 5)], [StatementLine("R1", 5)] * 2, [("R1", "matched"), ("R1", "missing_here")]),
        (
            [booked("R1", 5), booked("R1", 6, site="S2")],
            [StatementLine("R1", 6), StatementLine("R1", 5)],
            [("R1", "matched"), ("R1", "matched")],
        ),
        (
            [booked("R1", 5), booked("R1", 6, site="S2")],
            [StatementLine("R1", 5, site="S2")],
            [("R1", "different"), ("R1", "missing_there")],
        ),
        ([booked("R1", 5, asked=0)], [StatementLine("R1", 5)], [("R1", "matched")]),
        ([booked("R1", 5, asked=0)], [], []),
        (
            [booked("R1", 5, site="A", channel="counter"), booked("R1", 5)],
            [StatementLine("R1", 5, channel="wechat")],
            [("R1", "matched"), ("R1", "missing_there")],
        ),
        (
            [booked("R1", 5, site="A", channel="counter"), booked("R1", 6)],
            [StatementLine("R1", 5, channel="wechat")],
            [("R1", "different"), ("R1", "missing_there")],
        ),
        (
            [booked("R1", 5, site="A", asked=0), booked("R1", 5)],
            [StatementLine("R1", 5)],
            [("R1", "matched")],
        ),
        (
            [booked("R1", 5, site="A", asked=0), booked("R1", 6)],
            [StatementLine("R1", 5, site="S1"), StatementLine("R1", 6, site="S1")],
            [("R1", "matched"), ("R1", "missing_here")],
        ),
    ],
    ids=[
        "same",
        "other",
        "not-there",
        "not-here",
        "twice",
        "two-sites",
        "named-site",
        "other-period",
        "not-asked",
        "other-channel-of-another-site",
        "other-amount-in-the-channel",
        "same-id-long-ago",
        "named-site-and-long-ago",
    ],
)
def test_orders_are_paired(
    orders: list[Booked], lines: list[StatementLine], found: list[tuple[str, str | None]]
) -> None:
    assert sorted(results(orders, *lines), key=str) == sorted(found, key=str)


def test_another_sites_order_of_the_same_id_takes_no_line_of_the_channel() -> None:
    """The statement speaks for wechat alone: the counter's order is not compared."""
    counter = booked("R1", 5, site="A", channel="counter")
    wechat = booked("R1", 5, site="B")
    statement = Statement((StatementLine("R1", 5, channel="wechat"),), frozenset({"wechat"}))
    assert {(each.booked, each.result) for each in compare([counter, wechat], statement)} == {
        (counter, None),
        (wechat, "matched"),
    }


def test_channels_that_a_statement_does_not_name_are_not_compared() -> None:
    orders = [booked("R1", 5, channel="counter"), booked("R2", 5)]
    assert results(orders, channels=("wechat",)) == [("R1", None), ("R2", "missing_there")]
