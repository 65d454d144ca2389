"""Reports on what came in: completeness and lateness of rounds, and meters that are not heard of."""

from collections import defaultdict
from statistics import median_low
from typing import Any, Final

import pandas as pd

from analytics.flags import REPEATED
from analytics.question import Question, exact_frame
from streams.core.outcome import Flag

COMPLETENESS: Final = (
    "level",
    "site",
    "gateway",
    "meter",
    "interval_took_ms",
    "expected",
    "received",
    "completeness_bp",
    "repeated",
    "late",
    "mean_delay_took_ms",
    "longest_delay_took_ms",
)
SILENT: Final = (
    "status",
    "site",
    "gateway",
    "address",
    "meter",
    "account",
    "seen_ms",
    "silent_took_ms",
    "interval_took_ms",
    "register_milli",
)
LOST_MS: Final = 86_400_000
"""A meter that was silent for a day is lost."""
MISSED: Final = 3
"""Rounds that a meter may miss before it is silent."""
USUAL_MS: Final = 31 * 86_400_000
"""Of a meter that is not heard in a period, the interval is that of so long before."""

# A meter's rounds are as far apart as half of its readings are at most. Its time begins with the period or its
# installation and ends with its final register, the period, or the last line of all sites: by its own last line a site
# that is cut off would never be missed.
_METERS: Final = f"""
WITH least(toUnixTimestamp64Milli((SELECT max(at) FROM readings WHERE at < %(end)s)), %(end_ms)s) AS last_ms
SELECT toString(i.site) AS site, toString(i.gateway) AS gateway, i.meter AS meter, i.address, i.account,
    i.begin, r.final_at > 0 ? r.final_at : last_ms AS until,
    r.interval, r.usual, r.received, r.repeated, r.late, r.delay, r.longest, r.seen, r.register,
    r.final_at > 0 AS is_over
FROM
(
    SELECT *, greatest(toUnixTimestamp64Milli(at), %(first_ms)s) AS begin
    FROM meters FINAL WHERE {{site}} AND at < %(end)s
) AS i
LEFT JOIN
(
    SELECT site, meter, toInt64(quantileExactIf(0.5)(gap, gap > 0 AND in_period AND begun_within)) AS interval,
        toInt64(quantileExactIf(0.5)(gap, gap > 0)) AS usual,
        countIf(in_period AND NOT is_final AND bitAnd(flags, {REPEATED:d}) = 0) AS received,
        countIf(in_period AND bitAnd(flags, {REPEATED:d}) != 0) AS repeated,
        countIf(in_period AND bitAnd(flags, {Flag.LATE:d}) != 0) AS late,
        sumIf(delay_ms, in_period AND NOT is_final) AS delay, maxIf(delay_ms, in_period AND NOT is_final) AS longest,
        max(read_ms) AS seen, argMaxIf(register_milli, read_ms, bitAnd(flags, {REPEATED:d}) = 0) AS register,
        maxIf(read_ms, is_final) AS final_at
    FROM
    (
        SELECT site, meter, flags, register_milli, bitAnd(flags, {Flag.FINAL:d}) != 0 AS is_final,
            toUnixTimestamp64Milli(read_at) AS read_ms, toUnixTimestamp64Milli(at) - read_ms AS delay_ms,
            read_at >= %(first)s AND read_at < %(end)s AS in_period,
            lagInFrame(in_period) OVER rounds AS begun_within,
            read_ms >= %(first_ms)s - {USUAL_MS} ? read_ms - lagInFrame(read_ms, 1, read_ms) OVER rounds : 0 AS gap
        FROM readings WHERE {{site}} AND read_at < %(end)s AND bitAnd(flags, {Flag.PRICED_LATE:d}) = 0
        WINDOW rounds AS (PARTITION BY site, meter ORDER BY read_at ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
    )
    GROUP BY site, meter
) AS r ON i.site = r.site AND i.meter = r.meter
ORDER BY site, gateway, meter
"""
_FIELDS: Final = (
    "site",
    "gateway",
    "meter",
    "address",
    "account",
    "begin",
    "until",
    "interval",
    "usual",
    "received",
    "repeated",
    "late",
    "delay",
    "longest",
    "seen",
    "register",
    "is_over",
)


def completeness(question: Question) -> pd.DataFrame:
    """Readings expected and received in a period, by the meters' own time, and how late they came.

    Returns:
        Columns `COMPLETENESS`: level meter, then gateway, site and group as sums. Expected is the meter's time in the
        period divided by its interval, rounded down. That is the median of the gaps between its readings in the
        period; of a meter without two of them that of the month before, and else what its gateway's meters have
        between them; a meter without any of these has none. `completeness_bp` is at most 100 %. Repeated readings are
        duplicates and conflicts; late ones are those that came after a later one; a delay is from the reading to its
        arrival.
    """
    meters: list[dict[str, Any]] = []
    for row in question.ask(_METERS):
        meter = dict(zip(_FIELDS, row, strict=True))
        if meter["until"] > meter["begin"]:
            meters.append(meter)
    _expect(meters)
    rows = [_sum("meter", [meter], site=meter["site"], gateway=meter["gateway"], meter=meter) for meter in meters]
    for site, gateway in sorted({(meter["site"], meter["gateway"]) for meter in meters}):
        chosen = [meter for meter in meters if (meter["site"], meter["gateway"]) == (site, gateway)]
        rows.append(_sum("gateway", chosen, site=site, gateway=gateway))
    for site in sorted({meter["site"] for meter in meters}):
        rows.append(_sum("site", [meter for meter in meters if meter["site"] == site], site=site))
    rows.append(_sum("group", meters))
    return exact_frame([[row.get(name) for name in COMPLETENESS] for row in rows], COMPLETENESS)


def silent(question: Question) -> pd.DataFrame:
    """Meters that were not heard of at the end of a period, the longest silent first.

    Returns:
        Columns `SILENT`. Status: never (no reading at all), lost (silent for a day or longer), silent (for more than
        `MISSED` of its intervals, those of the month before where the period tells of none). Silence lasts until the
        last line of all sites before the period's end.
    """
    rows = []
    for row in question.ask(_METERS):
        meter = dict(zip(_FIELDS, row, strict=True))
        if meter["is_over"] or not meter["until"]:
            continue
        since = meter["seen"] or meter["begin"]
        lasted = meter["until"] - since
        status = "never" if not meter["seen"] else "lost" if lasted >= LOST_MS else "silent"
        interval = meter["interval"] or meter["usual"]
        if status == "silent" and lasted <= MISSED * interval:
            continue
        rows.append(
            (
                status,
                *(meter[name] for name in ("site", "gateway", "address", "meter", "account")),
                meter["seen"] or None,
                lasted,
                interval or None,
                meter["register"] if meter["seen"] else None,
            )
        )
    rows.sort(key=lambda row: (-row[7], row[1], row[4]))
    return exact_frame(rows, SILENT)


def _expect(meters: list[dict[str, Any]]) -> None:
    """Give meters their intervals and how many readings are expected of them."""
    heard: dict[tuple[str, str], list[int]] = defaultdict(list)
    for meter in meters:
        if meter["interval"] and meter["gateway"]:
            heard[meter["site"], meter["gateway"]].append(meter["interval"])
    for meter in meters:
        of_gateway = heard.get((meter["site"], meter["gateway"]), [0])
        interval = meter["interval"] or meter["usual"] or median_low(of_gateway)
        lasted = meter["until"] - meter["begin"]
        meter["interval"] = interval
        meter["expected"] = lasted // interval if interval else meter["received"]


def _sum(
    level: str, meters: list[dict[str, Any]], *, meter: dict[str, Any] | None = None, **names: str
) -> dict[str, Any]:
    expected, received = (sum(each[name] for each in meters) for name in ("expected", "received"))
    counted = sum(min(each["received"], each["expected"]) for each in meters)
    row: dict[str, Any] = {"level": level, **names, "expected": expected, "received": received}
    row["completeness_bp"] = counted * 10_000 // expected if expected else None
    row |= {name: sum(each[name] for each in meters) for name in ("repeated", "late")}
    heard = received + row["repeated"]
    row["mean_delay_took_ms"] = sum(each["delay"] for each in meters) // heard if heard else None
    row["longest_delay_took_ms"] = max((each["longest"] for each in meters), default=None) if heard else None
    if meter is not None:
        row |= {"meter": meter["meter"], "interval_took_ms": meter["interval"] or None}
    return row
