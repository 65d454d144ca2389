"""Report: who owes, who is low, and how long each balance lasts."""

from typing import Final

import pandas as pd

from analytics.money import cents
from analytics.question import Question, exact_frame

COLUMNS: Final = (
    "status",
    "site",
    "account",
    "balance_nano",
    "arrears_nano",
    "deducted_a_day_nano",
    "days_left",
    "notice",
)
SOON_DAYS: Final = 7
"""A balance that lasts no longer is low."""
ORDER: Final = ("arrears", "low", "ok", "closed")

_ACCOUNTS: Final = """
WITH (SELECT max(at) FROM readings WHERE at < %(end)s) AS last_at
SELECT toString(a.site) AS site, a.account AS account, m.balance, m.deducted,
    m.closed > 0 OR (a.site, a.account) IN (SELECT site, account FROM closings WHERE {site} AND at < %(end)s) AS closed,
    (n.level_at > n.recharged_at) ? n.level : '' AS notice,
    dateDiff('day', greatest(toDate(a.at, 'Asia/Shanghai'), toDate(%(first_day)s)),
        least(toDate(last_at, 'Asia/Shanghai') + 1, toDate(%(end_day)s))) AS days
FROM (SELECT * FROM accounts FINAL WHERE {site} AND at < %(end)s) AS a
LEFT JOIN
(
    SELECT site, account, argMax(balance_nano, place) AS balance, countIf(kind = 'closing_refund') AS closed,
        -sumIf(toInt128(amount_nano), kind = 'deduction' AND at >= %(first)s) AS deducted
    FROM movements WHERE {site} AND at < %(end)s GROUP BY site, account
) AS m ON a.site = m.site AND a.account = m.account
LEFT JOIN
(
    SELECT site, account, argMaxIf(kind, place, kind IN ('low1', 'low2', 'arrears')) AS level,
        maxIf(place, kind IN ('low1', 'low2', 'arrears')) AS level_at,
        maxIf(place, kind = 'recharged') AS recharged_at
    FROM (SELECT *, tuple(posting_offset, source = 0, offset, line) AS place FROM notices
        WHERE {site} AND at < %(end)s)
    GROUP BY site, account
) AS n ON a.site = n.site AND a.account = n.account
"""


def arrears(question: Question) -> pd.DataFrame:
    """Every account's balance at the end of a period, and for how many days it lasts at the period's deductions.

    Returns:
        Columns `COLUMNS`, the gravest first: by status, most owed, fewest days left. `deducted_a_day_nano` is what the
        days of the period deducted, a day, rounded down; days on which nothing was read yet, of any site, do not count.
        `days_left` are whole days, None where nothing was deducted or nothing is left; `notice` the last level that the
        holder was told of since the last recharge. Status: arrears (below 0), low (told so, or `SOON_DAYS` days left at
        most), closed, ok.
    """
    rows = []
    for site, account, balance, deducted, closed, notice, days in question.ask(_ACCOUNTS):
        days = max(days, 1)
        a_day = deducted // days
        left = balance * days // deducted if deducted > 0 and balance > 0 else None
        soon = left is not None and left <= SOON_DAYS
        status = "arrears" if balance < 0 else "closed" if closed else "low" if soon or notice else "ok"
        rows.append((status, site, account, balance, max(0, -balance), a_day, left, notice or None))
    rows.sort(key=lambda row: (ORDER.index(row[0]), -row[4], row[6] is None, row[6], row[1], row[2]))
    return exact_frame(rows, COLUMNS)


def printed(frame: pd.DataFrame) -> pd.DataFrame:
    """The report in whole cents, halves up; printed arrears are those of the printed balance."""
    rows = []
    for row in frame.to_dict("records"):
        balance, a_day = cents(row["balance_nano"]), cents(row["deducted_a_day_nano"])
        rows.append(
            (
                *(row[name] for name in COLUMNS[:3]),
                balance,
                max(0, -balance),
                a_day,
                *(row[name] for name in COLUMNS[6:]),
            )
        )
    return exact_frame(rows, [name.replace("_nano", "_cents") for name in COLUMNS])
