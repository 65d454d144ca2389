"""Report: what was booked after a period for days within it."""

from typing import Final

import pandas as pd

from analytics.question import Question

COLUMNS: Final = (
    "site",
    "account",
    "meter",
    "kind",
    "day",
    "booked_day",
    "readings",
    "consumption_milli",
    "amount_nano",
)

_LATE: Final = """
SELECT toString(site), toString(account), toString(meter), toString(kind), day, booked_day, sum(readings),
    sum(consumed), sum(deducted)
FROM (SELECT *, read_day AS day FROM readings_by_day)
WHERE {site} AND {days} AND booked_day >= toDate(%(end_day)s) AND (consumed != 0 OR deducted != 0)
GROUP BY site, account, meter, kind, day, booked_day
ORDER BY site, meter, day, booked_day
"""


def late(question: Question) -> pd.DataFrame:
    """Consumption that was read in a period and booked after it, each with the day of its booking.

    The books of a period that is over stay as they were: energy-and-finance has these amounts in the period in which
    they were booked. By the day of reading, as in `usage`, they are in this one.

    Returns:
        Columns `COLUMNS`, by site, meter, day of reading and day of booking; Wh or litres, nano-yuan. What was read in
        time and could only be priced later is here too, with its amount alone.
    """
    return question.frame(_LATE, COLUMNS)
