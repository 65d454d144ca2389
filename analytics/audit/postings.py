"""The journal: every batch of every partition once, in one chain, and every row that its records brought."""

from typing import Final

from analytics.audit.check import SHOWN, Check, Fault, Finding, Scope, gather
from sinks.clickhouse.positions import SINK

_CHAIN: Final = f"""
SELECT sum(records), count(), countIf(bad), groupArrayIf({SHOWN})((partition, sequence, what), bad)
FROM
(
    SELECT partition, sequence, records, multiIf(
        nth = 1 AND sequence != 0, concat('the first there is, batches 0 to ', toString(sequence - 1), ' are missing'),
        nth > 1 AND sequence != sequence_before + 1, concat('follows batch ', toString(sequence_before)),
        journals != 1, 'its records name different inputs',
        nth > 1 AND (frames_from, orders_from) != (frames_before, orders_before), 'its inputs do not follow on',
        nth > 1 AND first_offset < offset_before, 'lies before the batch that it follows',
        '') AS what, what != '' AS bad
    FROM
    (
        SELECT *, row_number() OVER batches AS nth, lagInFrame(sequence) OVER batches AS sequence_before,
            lagInFrame(frames_to) OVER batches AS frames_before,
            lagInFrame(orders_to) OVER batches AS orders_before,
            lagInFrame(last_offset) OVER batches AS offset_before
        FROM
        (
            SELECT partition, sequence, count() AS records,
                uniqExact((frames_first, frames_next, orders_first, orders_next)) AS journals,
                any(frames_first) AS frames_from, any(frames_next) AS frames_to,
                any(orders_first) AS orders_from, any(orders_next) AS orders_to,
                max(posting_offset) AS last_offset, min(posting_offset) AS first_offset
            FROM postings WHERE {{finished}} GROUP BY partition, sequence
        )
        WINDOW batches AS (PARTITION BY partition ORDER BY sequence ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
    )
)
"""

_PARTS: Final = f"""
SELECT sum(there), count(), countIf(bad), groupArrayIf({SHOWN})((partition, site, sequence, there, of), bad)
FROM
(
    SELECT partition, toString(site) AS site, sequence, count() AS there, any(parts) AS of,
        there != of OR uniqExact(part) != of OR max(part) + 1 != of OR uniqExact(parts) != 1 AS bad
    FROM postings WHERE {{finished}} GROUP BY partition, site, sequence
)
"""

_ROWS: Final = f"""
SELECT sum(found), count(), countIf(found != expected),
    groupArrayIf({SHOWN})((partition, toString(site), posting_offset, found, expected), found != expected)
FROM
(
    SELECT partition, site, posting_offset, sum(found) AS found, sum(expected) AS expected
    FROM
    (
        SELECT partition, site, posting_offset, 0 AS found, {{table}} AS expected FROM postings WHERE {{finished}}
        UNION ALL
        SELECT partition, site, posting_offset, count() AS found, 0 AS expected FROM {{table}} WHERE {{finished}}
        GROUP BY partition, site, posting_offset
    )
    GROUP BY partition, site, posting_offset
)
"""


# A block is claimed before its rows are written, so rows behind the sink's position are those of a claimed block.
_BEYOND: Final = "SELECT partition, min(posting_offset) FROM postings WHERE NOT ({finished}) GROUP BY partition"
_CLAIMED: Final = "SELECT partition, first_offset, next_offset FROM sink_blocks FINAL WHERE sink = %(sink)s"


def check_batches(scope: Scope) -> Check:
    """Batches of a partition count up from 0, and each takes its inputs up where the last one ended."""
    ((rows, keys, wrong, faults),) = scope.ask(_CHAIN)
    found = Finding(
        rows, keys, wrong, tuple(Fault(f"partition {number}, batch {batch}", what) for number, batch, what in faults)
    )
    lost = _unlooked(scope)
    findings = [found, Finding(0, 0, len(lost), lost)]
    return gather("batches", "a partition's batches follow each other without gap or repeat", findings)


def _unlooked(scope: Scope) -> tuple[Fault, ...]:
    """Rows that the sink's record does not know: it was cleared or put back, and the audit would pass over them."""
    # In this order, while the sink goes on: what is there was claimed before, and is then still claimed or finished.
    beyond = scope.ask(_BEYOND)
    claimed = scope.ask(_CLAIMED, sink=SINK)
    ends = scope.positions()
    return tuple(
        Fault(f"partition {number}", f"postings from {offset} on are there, of which the sink's record knows nothing")
        for number, offset in beyond
        if offset >= ends.get(number, 0)
        and not any(of == number and first <= offset < end for of, first, end in claimed)
    )


def check_parts(scope: Scope) -> Check:
    """All parts of a batch's work on a site are there, once."""
    ((rows, keys, wrong, faults),) = scope.ask(_PARTS)
    found = Finding(
        rows,
        keys,
        wrong,
        tuple(
            Fault(f"partition {number}, batch {batch}, site {site}", f"{there} parts of {of}")
            for number, site, batch, there, of in faults
        ),
    )
    return gather("parts", "a batch has each of its parts once", [found])


def check_rows(scope: Scope) -> Check:
    """Every posting's rows are there, as many as it brought, and none without a posting."""
    findings = []
    for table in ("readings", "pieces", "entries"):
        ((rows, keys, wrong, faults),) = scope.ask(_ROWS.replace("{table}", table))
        found = tuple(
            Fault(
                f"partition {number}, posting {offset}, site {site}",
                f"{there:,} rows of {table}, {expected:,} were posted",
            )
            for number, site, offset, there, expected in faults
        )
        findings.append(Finding(rows, keys, wrong, found))
    return gather("rows", "readings, pieces and entries are as many as each posting brought", findings)
