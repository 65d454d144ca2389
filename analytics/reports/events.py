"""Reports on what the ledger told somebody: alarms, and commands with the time until a reading confirmed them."""

from typing import Final

import pandas as pd

from analytics.question import Question
from streams.core.outcome import Flag, Supply

ALARMS: Final = ("site", "account", "meter", "kind", "alarms", "first_ms", "last_ms")
COMMANDS: Final = (
    "site",
    "account",
    "meter",
    "sequence",
    "action",
    "reason",
    "repeat",
    "given_ms",
    "status",
    "confirmed_ms",
    "until_confirmed_took_ms",
)

_ALARMS: Final = """
SELECT toString(a.site) AS site, toString(any(m.account)) AS account, toString(a.meter) AS meter,
    toString(a.kind) AS kind, count(), toUnixTimestamp64Milli(min(a.at)), toUnixTimestamp64Milli(max(a.at))
FROM (SELECT * FROM alarms WHERE {site} AND at >= %(first)s AND at < %(end)s) AS a
LEFT JOIN (SELECT site, meter, account FROM meters FINAL) AS m ON a.site = m.site AND a.meter = m.meter
GROUP BY site, meter, kind ORDER BY count() DESC, site, meter, kind
"""

# Confirmed by the first reading that came later and reports the supply that was ordered; not by one that says nothing
# of now (repeated or late), nor by one after the next command of its kind. A recharge is confirmed by the sale that it
# brings. What does not switch the supply (retain, release, sync_time) no reading confirms, and it overtakes nothing.
_SOLD: Final = 255
_UNSEEN: Final = 254
_COMMANDS: Final = f"""
SELECT toString(c.site), toString(m.account), toString(c.meter), c.sequence, toString(c.action), toString(c.reason),
    toBool(c.repeat), c.given_ms,
    multiIf(c.wanted = {_UNSEEN}, 'sent',
        r.seen_ms > c.given_ms AND (c.next_ms = 0 OR r.seen_ms <= c.next_ms), 'confirmed',
        c.next_ms > 0, 'overtaken', 'open') AS status,
    status = 'confirmed' ? toNullable(r.seen_ms) : NULL AS confirmed_ms, confirmed_ms - c.given_ms
FROM
(
    SELECT site, meter, at, sequence, action, reason, repeat, toUnixTimestamp64Milli(at) AS given_ms,
        toUnixTimestamp64Milli(leadInFrame(at) OVER (
            PARTITION BY site, meter, action = 'recharge', action IN ('cut', 'restore') ORDER BY sequence
            ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING)) AS next_ms,
        multiIf(action = 'recharge', {_SOLD}, action = 'cut', {Supply.OFF:d}, action = 'restore', {Supply.ON:d},
            {_UNSEEN}) AS wanted
    FROM commands WHERE {{site}} AND at >= %(first)s
) AS c
LEFT JOIN (SELECT site, meter, account FROM meters FINAL) AS m ON c.site = m.site AND c.meter = m.meter
ASOF LEFT JOIN
(
    SELECT site, meter, supply, at, toUnixTimestamp64Milli(at) AS seen_ms FROM readings
    WHERE {{site}} AND at >= %(first)s
        AND bitAnd(flags, {Flag.DUPLICATE | Flag.CONFLICT | Flag.LATE | Flag.PRICED_LATE:d}) = 0
        AND (site, meter) IN (SELECT site, meter FROM commands WHERE {{site}} AND at >= %(first)s)
    UNION ALL
    SELECT sold.site, of.meter, {_SOLD}, sold.at, toUnixTimestamp64Milli(sold.at)
    FROM (SELECT site, account, at FROM entries WHERE {{site}} AND at >= %(first)s AND kind = 'sale') AS sold
    INNER JOIN (SELECT site, meter, account FROM meters FINAL) AS of
        ON sold.site = of.site AND sold.account = of.account
) AS r ON c.site = r.site AND c.meter = r.meter AND c.wanted = r.supply AND r.at > c.at
WHERE c.at < %(end)s
ORDER BY c.site, c.meter, c.sequence
"""


def alarms(question: Question) -> pd.DataFrame:
    """Alarms of a period by meter and kind, the most frequent first.

    Returns:
        Columns `ALARMS`: how many, the first and the last.
    """
    return question.frame(_ALARMS, ALARMS)


def commands(question: Question) -> pd.DataFrame:
    """Commands given in a period, each with the time until a reading reported the supply that it ordered.

    Returns:
        Columns `COMMANDS`, by site, meter and sequence. Status: confirmed, overtaken by the meter's next command of
        its kind, open; sent, where no reading can confirm it (retain, release, sync_time).
    """
    return question.frame(_COMMANDS, COMMANDS)
