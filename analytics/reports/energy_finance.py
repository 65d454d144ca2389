"""Report: each account's money and each meter's energy over a period, with totals by site and of the group."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import pandas as pd

from analytics.errors import TieError
from analytics.flags import UNACCEPTED
from analytics.money import cents, share_cents, units, yuan
from analytics.question import Question, exact_frame
from streams.core.outcome import Flag

COLUMNS: Final = (
    "level",
    "site",
    "account",
    "meter",
    "kind",
    "ratio",
    "opening_register_milli",
    "closing_register_milli",
    "rolled_milli",
    "electricity_milli",
    "water_milli",
    "opening_nano",
    "recharged_nano",
    "refunded_nano",
    "adjusted_nano",
    "service_fees_nano",
    "fees_nano",
    "shared_nano",
    "deducted_nano",
    "closing_nano",
)
MONEY: Final = tuple(name for name in COLUMNS if name.endswith("_nano"))
SIGNS: Final = dict(zip(MONEY, (1, 1, -1, 1, -1, -1, 1, -1, -1), strict=True))
"""By these signs an account's money adds up to 0: its closing balance is what all others come to."""
_MOVED: Final = MONEY[1:-1]
_SUMMED: Final = ("electricity_milli", "water_milli", *MONEY)

# Whole months from the sums by month; where the period begins or ends amid one, its days from the sums by day. The
# expressions are those of the projections (infra/clickhouse/migrations/0014_stored_days.sql), which are summed up
# straight to before the period and in it: by way of the views a group of a month each would be made first.
_INPUT: Final = "bitShiftLeft(toUInt128(offset), 32) + line"
_ACCEPTED: Final = f"bitAnd(flags, {UNACCEPTED:d}) = 0"
_MOMENT: Final = f"2 * toUnixTimestamp64Milli(read_at) + (bitAnd(flags, {Flag.FINAL:d}) != 0)"
_BOOKED: Final = f"""
SELECT site, account, meter, partition, source, {{time}} >= toDate(%(first_day)s) AS asked,
    countIf({_ACCEPTED}) AS accepted,
    countIf(bitAnd(flags, {Flag.ROLLOVER:d}) != 0) AS rollovers,
    countIf(bitAnd(flags, {Flag.FINAL:d}) != 0) AS finals,
    sum(toInt128(consumption_milli)) AS consumed,
    sum(toInt128(amount_nano)) AS deducted,
    maxIf({_MOMENT}, {_ACCEPTED}) AS moment,
    argMaxIf(register_milli, {_MOMENT}, {_ACCEPTED}) AS register,
    max({_INPUT}) AS input,
    argMax(posting_offset, {_INPUT}) AS last_posting,
    argMax(balance_nano, {_INPUT}) AS balance
FROM readings WHERE {{{{site}}}} AND {{time}} < toDate(%({{end}})s) AND {{more}}
GROUP BY site, account, meter, partition, source, asked
"""
_BY_MONTH: Final = _BOOKED.format(time="toStartOfMonth(at, 'Asia/Shanghai')", end="month_end", more="1")
_DAY: Final = "toDate(at, 'Asia/Shanghai')"
_BY_DAY: Final = "UNION ALL" + _BOOKED.format(time=_DAY, end="end_day", more=f"{_DAY} >= toDate(%(month_end)s)")

# The order of the ledger's work, as in the view `movements`; `input` is 2^32 offset + line.
_PLACE: Final = """
    bitShiftLeft(toUInt128(if(begun = 0, posting_offset, toUInt64(begun - 1))), 86)
    + bitShiftLeft(toUInt128(source = 0), 85)
    + bitShiftLeft(bitShiftRight(input, 32), 43)
    + bitShiftLeft(bitAnd(input, 4294967295), 22)
    + bitShiftLeft(toUInt64(kind = 'deduction'), 21)
    + nth
"""

_ACCOUNTS: Final = f"""
SELECT toString(a.site), a.account, opening, recharged, refunded, adjusted, service_fees, fees, shared, deducted,
    closing
FROM (SELECT DISTINCT site, account FROM accounts WHERE {{site}} AND at < %(end)s) AS a
LEFT JOIN
(
    SELECT site, account,
        argMaxIf(balance, {_PLACE}, NOT asked) AS opening,
        sumIf(amount, asked AND kind IN ('recharge', 'sale')) AS recharged,
        -sumIf(amount, asked AND kind IN ('refund', 'closing_refund')) AS refunded,
        sumIf(amount, asked AND kind IN ('adjustment', 'reversal', 'opening')) AS adjusted,
        -sumIf(amount, asked AND kind = 'service_fee') AS service_fees,
        -sumIf(amount, asked AND kind = 'fee') AS fees,
        sumIf(amount, asked AND kind = 'share') AS shared,
        -sumIf(amount, asked AND kind = 'deduction') AS deducted,
        argMax(balance, {_PLACE}) AS closing
    FROM
    (
        SELECT toString(site) AS site, toString(account) AS account, 'deduction' AS kind, -deducted AS amount, balance,
            asked, partition, source, input, toUInt32(0) AS nth, last_posting AS posting_offset
        FROM ({{booked}})
        UNION ALL
        SELECT toString(site), toString(account), toString(kind), toInt128(amount_nano), balance_nano, at >= %(first)s,
            partition, source, bitShiftLeft(toUInt128(offset), 32) + line, nth, posting_offset
        FROM entries WHERE {{site}} AND at < %(end)s
    ) AS moved
    LEFT JOIN batch_parts USING (partition, posting_offset)
    GROUP BY site, account
) AS m ON a.site = m.site AND a.account = m.account
"""

_METERS: Final = """
SELECT toString(i.site), i.account, i.meter, toString(i.kind), i.ratio,
    r.before > 0 ? r.opening : i.register_milli AS opening, r.accepted > 0 ? r.closing : i.register_milli AS closing,
    r.rollovers * toInt128(intExp10(i.digits + 3)), r.consumption, r.deducted
FROM (SELECT * FROM meters FINAL WHERE {site} AND at < %(end)s) AS i
LEFT JOIN
(
    SELECT site, meter, sum(booked.accepted) AS accepted, sumIf(booked.accepted, NOT asked) AS before,
        argMaxIf(register, moment, booked.accepted > 0 AND NOT asked) AS opening,
        argMaxIf(register, moment, booked.accepted > 0) AS closing,
        sumIf(booked.rollovers, asked) AS rollovers,
        sumIf(consumed, asked) AS consumption,
        sumIf(booked.deducted, asked) AS deducted,
        sumIf(finals, NOT asked) AS over
    FROM ({booked}) AS booked
    GROUP BY site, meter
) AS r ON i.site = r.site AND i.meter = r.meter
WHERE r.over = 0 OR r.deducted != 0
"""


def energy_and_finance(question: Question) -> pd.DataFrame:
    """What every account paid and every meter consumed in a period.

    Money counts when the ledger booked it, and so does the reading that it was booked for: what comes late for an
    earlier period is in the period in which it came, and a period that is over never changes. Registers are the
    last accepted ones booked before the period's bounds; a new meter opens at the register it was installed with.

    Returns:
        A row for each account, followed by one for each of its meters, by site and name; after a site's accounts its
        total, at the end the group's: `level` is account, meter, site or group. Columns `COLUMNS`: registers before
        the ratio; `_milli` are Wh or litres, `_nano` nano-yuan, Python's integers; None where a level has none.
        Meters that were replaced or closed before the period are left out.
    Raises:
        TieError: The rows do not add up.
    """
    accounts = {(row[0], row[1]): list(row[2:]) for row in _ask(question, _ACCOUNTS)}
    meters: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in sorted(_ask(question, _METERS)):
        meter = _meter_row(*row)
        meters[meter["site"], meter["account"]].append(meter)
    rows: list[dict[str, Any]] = []
    for site, keys in groupby(sorted(accounts), key=itemgetter(0)):
        of_site: list[dict[str, Any]] = []
        for key in keys:
            account = _account_row(key, accounts[key], meters[key])
            _check_account(account, meters[key])
            of_site.append(account)
            rows += [account, *meters[key]]
        rows.append(_total("site", site, of_site))
    rows.append(_total("group", None, [row for row in rows if row["level"] == "site"]))
    return exact_frame([[row.get(name) for name in COLUMNS] for row in rows], COLUMNS)


def _ask(question: Question, sql: str) -> list[tuple[Any, ...]]:
    first, end = question.period.first, question.period.end
    whole = first.day == end.day == 1
    booked = _BY_MONTH if whole else _BY_MONTH + _BY_DAY
    month_end = end if whole else first.replace(day=1)
    return question.ask(sql.replace("{booked}", booked), month_end=month_end.isoformat())


def printed(frame: pd.DataFrame) -> pd.DataFrame:
    """The report in whole cents (`_cents` for `_nano`), so that what is printed adds up as printed.

    Balances and refunds are rounded to the cent, halves up; all else but deductions is whole cents anyway. An
    account's deduction is what ties them: opening + all that came in - all that went out - closing. That is its exact
    deduction rounded down or up, never more than a cent off, 0 where nothing was deducted, and the deductions of
    neighbouring periods add up to that of both together, since one period's closing is the next one's opening. An
    account's meters share its cents, each rounded down or up. Totals are sums of what is printed above them.
    """
    rows: list[dict[Any, Any]] = frame.to_dict("records")
    for account, meters in _families(rows):
        _round_account(account)
        shares = share_cents(account["deducted_nano"], [meter["deducted_nano"] for meter in meters])
        for meter, share in zip(meters, shares, strict=True):
            meter["deducted_nano"] = share
    for total in rows:
        if total["level"] in ("site", "group"):
            below = [
                row
                for row in rows
                if row["level"] == "account" and (total["level"] == "group" or row["site"] == total["site"])
            ]
            total.update({name: sum(row[name] for row in below) for name in MONEY})
    names = [name.replace("_nano", "_cents") for name in COLUMNS]
    return exact_frame([[row[name] for name in COLUMNS] for row in rows], names)


def _round_account(account: dict[Any, Any]) -> None:
    for name in MONEY:
        account[name] = cents(account[name])
    account["deducted_nano"] += _off(account)


def _off(account: dict[Any, Any]) -> int:
    """By how much an account's money does not add up."""
    return sum(sign * account[name] for name, sign in SIGNS.items())


def _families(rows: Sequence[dict[Any, Any]]) -> Iterator[tuple[dict[Any, Any], list[dict[Any, Any]]]]:
    """Each account with its meters."""
    account: dict[Any, Any] | None = None
    meters: list[dict[Any, Any]] = []
    for row in rows:
        if row["level"] == "meter":
            meters.append(row)
            continue
        if account is not None:
            yield account, meters
        account, meters = (row, []) if row["level"] == "account" else (None, [])


def _meter_row(
    site: str,
    account: str,
    meter: str,
    kind: str,
    ratio: int,
    opening: int,
    closing: int,
    rolled: int,
    consumption: int,
    deducted: int,
) -> dict[str, Any]:
    shown = (closing - opening + rolled) * ratio
    if shown != consumption:
        raise TieError(
            f"site {site}, meter {meter}: registers show {units(shown)}, consumption is {units(consumption)}; "
            "`sluice audit` tells more"
        )
    return {
        "level": "meter",
        "site": site,
        "account": account,
        "meter": meter,
        "kind": kind,
        "ratio": ratio,
        "opening_register_milli": opening,
        "closing_register_milli": closing,
        "rolled_milli": rolled,
        f"{kind}_milli": consumption,
        "deducted_nano": deducted,
    }


def _account_row(key: tuple[str, str], sums: Sequence[int], meters: Sequence[dict[str, Any]]) -> dict[str, Any]:
    row: dict[str, Any] = {"level": "account", "site": key[0], "account": key[1]}
    row |= dict(zip(MONEY, sums, strict=True))
    for name in ("electricity_milli", "water_milli"):
        row[name] = sum(meter.get(name, 0) for meter in meters)
    return row


def _check_account(row: dict[str, Any], meters: Sequence[dict[str, Any]]) -> None:
    off = _off(row)
    unmetered = row["deducted_nano"] - sum(meter["deducted_nano"] for meter in meters)
    if off or unmetered:
        raise TieError(
            f"site {row['site']}, account {row['account']}: {yuan(off or unmetered)} yuan do not tie; "
            "`sluice audit` tells more"
        )


def _total(level: str, site: str | None, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"level": level, "site": site} | {name: sum(row[name] for row in rows) for name in _SUMMED}
