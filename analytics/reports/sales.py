"""Report: sales, refunds and reversals."""

from collections import defaultdict
from typing import Any, Final

import pandas as pd

from analytics.money import cents
from analytics.question import Question, exact_frame

COLUMNS: Final = (
    "level",
    "site",
    "kind",
    "entries",
    "amount_nano",
    "balance_nano",
    "booked_ms",
    "account",
    "order_id",
    "of",
    "channel",
    "operator",
    "reason",
)

# Within a record orders (source 1) come before frames (0), as the ledger takes them.
_ENTRIES: Final = """
SELECT toString(site), toString(kind), amount_nano, balance_nano, toUnixTimestamp64Milli(at), toString(account),
    order_id, of, toString(channel), toString(operator), reason
FROM entries WHERE {site} AND at >= %(first)s AND at < %(end)s
ORDER BY site, posting_offset, source = 0, offset, line, nth
"""


def sales(question: Question) -> pd.DataFrame:
    """Every movement of money that the office ordered in a period, and their sums.

    Returns:
        Columns `COLUMNS`. Level entry: a row for each, in the ledger's order; level site: number and sum by site and
        kind (as in `streams.core.outcome.Entry`); level group: by kind. Amounts are as they
        change the balance, the balance is that after the entry.
    """
    rows: list[dict[str, Any]] = [
        {"level": "entry"} | dict(zip(("site", "kind", *COLUMNS[4:]), row, strict=True))
        for row in question.ask(_ENTRIES)
    ]
    sums: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        sums.setdefault((row["site"], row["kind"]), []).append(row["amount_nano"])
    totals: list[dict[str, Any]] = [
        {"level": "site", "site": site, "kind": kind, "entries": len(amounts), "amount_nano": sum(amounts)}
        for (site, kind), amounts in sorted(sums.items())
    ]
    for kind in sorted({kind for _, kind in sums}):
        amounts = [row["amount_nano"] for row in rows if row["kind"] == kind]
        totals.append({"level": "group", "kind": kind, "entries": len(amounts), "amount_nano": sum(amounts)})
    return exact_frame([[row.get(name) for name in COLUMNS] for row in [*rows, *totals]], COLUMNS)


def printed(frame: pd.DataFrame) -> pd.DataFrame:
    """The report in whole cents; totals are sums of what is printed.

    An amount is printed as what it makes of the printed balance. That is the amount itself but where a balance is given
    back or replaced to the nano-yuan: at a closing, or when a meter with credit of its own takes over.
    """
    rows: list[dict[Any, Any]] = frame.to_dict("records")
    site: dict[tuple[str, str], int] = defaultdict(int)
    group: dict[str, int] = defaultdict(int)
    for row in rows:
        if row["level"] == "entry":
            row["balance_cents"] = cents(row["balance_nano"])
            row["amount_cents"] = row["balance_cents"] - cents(row["balance_nano"] - row["amount_nano"])
            site[row["site"], row["kind"]] += row["amount_cents"]
            group[row["kind"]] += row["amount_cents"]
        else:
            of_site = row["level"] == "site"
            row["amount_cents"] = site[row["site"], row["kind"]] if of_site else group[row["kind"]]
    names = [name.replace("_nano", "_cents") for name in COLUMNS]
    return exact_frame([[row.get(name) for name in names] for row in rows], names)
