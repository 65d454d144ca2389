"""Report: what channels collected by site, channel, operator and day, against a channel's statement."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import pandas as pd

from analytics.question import Question, exact_frame
from analytics.statement import Statement, StatementLine, read_statement

COLUMNS: Final = (
    "level",
    "site",
    "channel",
    "operator",
    "day",
    "orders",
    "booked_nano",
    "stated_nano",
    "matched",
    "missing_here",
    "missing_there",
    "different",
    "order_id",
    "account",
    "result",
)
MATCHED: Final = "matched"
MISSING_HERE: Final = "missing_here"
MISSING_THERE: Final = "missing_there"
DIFFERENT: Final = "different"
RESULTS: Final = (MATCHED, MISSING_HERE, MISSING_THERE, DIFFERENT)

# Money that came in: recharges, and sales into meters once these took them. A reversal is booked without a channel;
# its money goes back to where the recharge came from.
_BOOKED: Final = """
SELECT toString(e.site), e.kind = 'reversal' ? r.channel : toString(e.channel) AS channel, toString(e.operator),
    toDate(e.at, 'Asia/Shanghai') AS day, e.order_id, toString(e.account), e.amount_nano, asked, in_period
FROM (SELECT *, at >= %(first)s AND at < %(end)s AS in_period, {site} AND in_period AS asked FROM entries
    WHERE kind IN ('recharge', 'reversal', 'sale') AND {chosen}) AS e
LEFT JOIN (SELECT site, order_id, toString(channel) AS channel FROM entries WHERE kind = 'recharge') AS r
    ON e.site = r.site AND e.of = r.order_id
"""
_IDS_BYTES: Final = 100_000
"""Ids that one query names: a server reads 256 KiB of a query at most."""


@dataclass(frozen=True, slots=True)
class Booked:
    """A recharge, a sale that its meter took, or a reversal with a negative amount."""

    site: str
    channel: str
    operator: str
    day: date
    order_id: str
    account: str
    amount: int
    asked: int
    """Whether it was booked in the period, at the site that is asked about, and not only named by the statement."""
    in_period: int = 0
    """Whether it was booked in the period at any site."""


@dataclass(frozen=True, slots=True)
class Compared:
    """An order as it is here, as the statement has it, and how the two compare; no result without a statement."""

    booked: Booked | None
    stated: StatementLine | None
    result: str | None


def collections(question: Question) -> pd.DataFrame:
    """Recharges, sales and reversals of a period, counted and compared with the statement by their order ids.

    An order in the statement that was booked outside the period counts on the day on which it was booked. Orders of
    channels that the statement does not name are not compared. Asked about one site, lines that name another are left
    out, and those that name none where another site booked just that in the period: the same id, amount and channel.

    Returns:
        Columns `COLUMNS`. `level` day: a row for each site, channel, operator and day, with the number of its orders,
        their sum here and in the statement, and how many are matched, missing here, missing there, different; level
        total: their sums; level order: every order that is not matched. Without a statement the comparison is None.
    Raises:
        AnalyticsError: The statement cannot be read.
    """
    statement = None if question.statement is None else read_statement(question.statement)
    booked = _booked(question, statement)
    compared = [of_site for each in compare(booked, statement) if (of_site := _of_site(question.site, each))]
    days: dict[tuple[str, str, str, date | None], list[Compared]] = defaultdict(list)
    for each in compared:
        days[_day_key(each)].append(each)
    order = sorted(days, key=lambda key: (*key[:3], key[3] or date.min))
    rows: list[dict[str, Any]] = [_sums("day", key, days[key], statement) for key in order]
    rows.append(_sums("total", None, compared, statement))
    rows += [_order_row(each) for each in compared if each.result not in (None, MATCHED)]
    return exact_frame([[row.get(name) for name in COLUMNS] for row in rows], COLUMNS)


def _booked(question: Question, statement: Statement | None) -> list[Booked]:
    """The period's orders, and those of all sites and days that the statement names."""
    rows = question.ask(_BOOKED.replace("{chosen}", "asked"))
    for ids in _portions(sorted({line.order_id for line in statement.lines}) if statement else []):
        rows += question.ask(_BOOKED.replace("{chosen}", "NOT asked AND order_id IN %(ids)s"), ids=tuple(ids))
    return sorted((Booked(*row) for row in rows), key=lambda each: (each.site, each.day, each.channel, each.order_id))


def _portions(ids: Sequence[str]) -> Iterator[list[str]]:
    """Ids by as many as a query can name."""
    portion: list[str] = []
    room = _IDS_BYTES
    for each in ids:
        # Twice, as what is escaped becomes longer.
        size = 2 * len(each.encode()) + 4
        if portion and size > room:
            yield portion
            portion, room = [], _IDS_BYTES
        portion.append(each)
        room -= size
    if portion:
        yield portion


def compare(booked: Sequence[Booked], statement: Statement | None) -> list[Compared]:
    """Pair what is booked with what is stated, by order ids.

    An id is a site's own, so another site, or another time, may have the same. Of what has one id, orders go first
    with lines of their channel, then with those of their amount, and orders of the period go before others.
    """
    if statement is None:
        return [Compared(each, None, None) for each in booked if each.asked]
    waiting: dict[str, list[StatementLine]] = defaultdict(list)
    for line in statement.lines:
        waiting[line.order_id].append(line)
    pairs: dict[int, StatementLine] = {}
    order = sorted(range(len(booked)), key=lambda number: (not booked[number].asked, not booked[number].in_period))
    for same_channel, same_amount in ((True, True), (True, False), (False, True), (False, False)):
        for number in order:
            each = booked[number]
            if number not in pairs:
                taken = _taken(waiting[each.order_id], each, same_channel=same_channel, same_amount=same_amount)
                if taken is not None:
                    pairs[number] = taken
    found: list[Compared] = []
    for number, each in enumerate(booked):
        if number in pairs:
            result = MATCHED if pairs[number].amount == each.amount else DIFFERENT
            found.append(Compared(each, pairs[number], result))
        elif each.asked:
            compares = not statement.channels or each.channel in statement.channels
            found.append(Compared(each, None, MISSING_THERE if compares else None))
    found += [Compared(None, line, MISSING_HERE) for lines in waiting.values() for line in lines]
    return found


def _taken(
    lines: list[StatementLine], booked: Booked, *, same_channel: bool, same_amount: bool
) -> StatementLine | None:
    """Take the line that an order pairs with out of those of its id."""
    for index, line in enumerate(lines):
        if (
            line.site in ("", booked.site)
            and (not same_channel or line.channel in ("", booked.channel))
            and (not same_amount or line.amount == booked.amount)
        ):
            return lines.pop(index)
    return None


def _of_site(site: str | None, each: Compared) -> Compared | None:
    """What a site's report has of it; what is not booked anywhere, and names no site, is in each."""
    line, booked = each.stated, each.booked
    if site is None or (booked is not None and booked.site == site):
        return each
    if line is None or line.site not in ("", site):
        return None
    if booked is not None and booked.in_period and each.result == MATCHED and line.channel in ("", booked.channel):
        # Beyond doubt another site's: an id alone says nothing, as each site numbers its orders by itself.
        return None
    return Compared(None, line, MISSING_HERE)


def _day_key(each: Compared) -> tuple[str, str, str, date | None]:
    if each.booked is not None:
        return each.booked.site, each.booked.channel, each.booked.operator, each.booked.day
    assert each.stated is not None
    return each.stated.site, each.stated.channel, "", each.stated.day


def _sums(
    level: str,
    key: tuple[str, str, str, date | None] | None,
    orders: Sequence[Compared],
    statement: Statement | None,
) -> dict[str, Any]:
    row: dict[str, Any] = {"level": level}
    if key is not None:
        row |= dict(zip(("site", "channel", "operator", "day"), key, strict=True))
    row["orders"] = sum(each.booked is not None for each in orders)
    row["booked_nano"] = sum(each.booked.amount for each in orders if each.booked is not None)
    if statement is not None:
        row["stated_nano"] = sum(each.stated.amount for each in orders if each.stated is not None)
        row |= {result: sum(each.result == result for each in orders) for result in RESULTS}
    return row


def _order_row(each: Compared) -> dict[str, Any]:
    row: dict[str, Any] = {"level": "order", "result": each.result}
    row |= dict(zip(("site", "channel", "operator", "day"), _day_key(each), strict=True))
    if each.booked is not None:
        row |= {"order_id": each.booked.order_id, "account": each.booked.account, "booked_nano": each.booked.amount}
    if each.stated is not None:
        row |= {"order_id": each.stated.order_id, "stated_nano": each.stated.amount}
    return row
