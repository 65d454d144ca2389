"""Decimals and times by value: what is read, what is refused, and the exact text on the way back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.localtime import (
    MinuteRange,
    format_time,
    minute_of_day,
    month_of,
    month_start,
    parse_range,
    parse_time,
)
from streams.core.units import Quantity, format_money, format_quantity, format_scaled, parse_decimal


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", (0, 0)),
        ("-0", (0, 0)),
        ("0100.50", (1005, 1)),
        ("1.000", (1, 0)),
        ("-3.25", (-325, 2)),
        ("", None),
        ("1.", None),
        (".5", None),
        ("+1", None),
        ("1e3", None),
        (" 1", None),
        ("1\n", None),
        ("١", None),
    ],
    ids=repr,
)
def test_decimals(text: str, expected: tuple[int, int] | None) -> None:
    assert parse_decimal(text) == expected


@pytest.mark.parametrize(
    ("text", "places", "expected"),
    [
        ("1010.50", 3, 1_010_500),
        ("0.0010", 3, 1),
        ("0.0001", 3, None),
        ("999999999.999", 3, 999_999_999_999),
        ("1000000000", 3, None),
        ("-1000000000", 2, None),
        ("0.000001", 6, 1),
    ],
    ids=repr,
)
def test_a_decimal_that_is_too_fine_or_too_large_is_no_quantity(text: str, places: int, expected: int | None) -> None:
    quantity = parse_decimal(text)
    assert quantity is not None
    assert quantity.scaled(places) == expected


@given(st.integers(-(10**20), 10**20), st.integers(0, 9))
def test_the_text_of_a_number_reads_back_as_it(value: int, places: int) -> None:
    quantity = parse_decimal(format_scaled(value, places))
    assert quantity is not None
    assert quantity.mantissa * 10 ** (places - quantity.places) == value
    assert not format_scaled(value, places).endswith(("0", ".")) or "." not in format_scaled(value, places)


def test_texts_of_money_and_quantities() -> None:
    assert (format_money(12_345_000_000), format_money(-1), format_quantity(1_010_500)) == (
        "12.345",
        "-0.000000001",
        "1010.5",
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T08:00:00+08:00", 0),
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.5Z", 500),
        ("1969-12-31T23:59:59.999Z", -1),
        ("2026-02-29T00:00:00Z", None),
        ("2026-01-05T24:00:00Z", None),
        ("2026-01-05T08:00:00", None),
        ("2026-01-05T08:00:00.1234Z", None),
        ("2026-01-05T08:00:00.Z", None),
        ("2026-01-05 08:00:00Z", None),
        ("2026-01-05T08:00Z", None),
        ("2026-01-05T08:00:00+0800", None),
        ("2026-01-05T08:00:00+25:00", None),
    ],
    ids=repr,
)
def test_times(text: str, expected: int | None) -> None:
    assert parse_time(text) == expected


@given(st.integers(parse_time("1000-01-01T00:00:00Z"), parse_time("9999-12-30T00:00:00Z")))
def test_the_text_of_a_time_reads_back_as_it(at: int) -> None:
    assert parse_time(format_time(at)) == at


@given(st.integers(parse_time("1600-01-01T00:00:00Z"), parse_time("9000-01-01T00:00:00Z")))
def test_a_time_lies_in_its_month(at: int) -> None:
    month = month_of(at)
    assert month_start(month) <= at < month_start(month + 1)
    year, index = divmod(month, 12)
    assert format_time(at).startswith(f"{year:04d}-{index + 1:02d}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("08:00-11:30", (480, 690)),
        ("23:00-07:00", (1380, 420)),
        ("00:00-24:00", (0, 1440)),
        ("24:00-07:00", None),
        ("8:00-11:00", None),
        ("08:00-11:60", None),
        ("08:00-24:01", None),
    ],
    ids=repr,
)
def test_ranges(text: str, expected: tuple[int, int] | None) -> None:
    assert parse_range(text) == expected


def test_a_range_includes_its_start_and_not_its_end_also_over_midnight() -> None:
    night = MinuteRange((1380, 420))
    assert [night.covers(minute) for minute in (1379, 1380, 0, 419, 420)] == [False, True, True, True, False]
    assert minute_of_day(0) == 480


def test_equal_values_are_equal_quantities() -> None:
    assert parse_decimal("100") == parse_decimal("100.00") == Quantity(100, 0)
