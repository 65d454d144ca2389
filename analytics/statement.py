"""A payment channel's statement: a CSV file that the channel or the finance officer made."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from analytics.csv_file import read_csv
from analytics.errors import AnalyticsError
from analytics.money import NANO_PER_CENT
from streams.core.units import parse_decimal

_NEEDED: Final = ("order_id", "amount")
_OPTIONAL: Final = ("channel", "site", "day")


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One payment as the channel has it; money that it gave back has a negative amount.

    Attributes:
        amount: Nano-yuan.
        channel, site: Empty where the file does not tell.
    """

    order_id: str
    amount: int
    channel: str = ""
    site: str = ""
    day: date | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """All lines of a file, and the channels that it speaks for; none: for all."""

    lines: tuple[StatementLine, ...]
    channels: frozenset[str]


def read_statement(path: Path) -> Statement:
    """Read a CSV file with a line of headings: `order_id`, `amount`, and maybe `channel`, `site`, `day`.

    Amounts are yuan with two decimals at most; other columns do not matter.

    Raises:
        AnalyticsError: The file cannot be read, lacks a column, or has a line that is none; says which.
    """
    rows = read_csv(path, _NEEDED, _OPTIONAL)
    lines = tuple(_line(where, row) for where, row in rows)
    named = any("channel" in row for _, row in rows)
    return Statement(lines, frozenset(line.channel for line in lines) if named else frozenset())


def _line(where: str, row: Mapping[str, str]) -> StatementLine:
    order_id, text = row["order_id"], row["amount"]
    quantity = parse_decimal(text)
    amount = None if quantity is None else quantity.scaled(2)
    if not order_id or amount is None:
        raise AnalyticsError(f"{where}: {text!r} is no amount, or there is no order_id")
    day = row.get("day", "")
    try:
        return StatementLine(
            order_id,
            amount * NANO_PER_CENT,
            row.get("channel", ""),
            row.get("site", ""),
            date.fromisoformat(day) if day else None,
        )
    except ValueError:
        raise AnalyticsError(f"{where}: {day!r} is no day such as 2026-03-01") from None
