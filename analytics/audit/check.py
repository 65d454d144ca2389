"""What one check of an audit found, and what it may look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sinks import positions

SHOWN: Final = 20
"""The most offending keys that a check gives for a site; how many there are is counted."""


GROUP_ROWS: Final = 20_000_000
"""Rows of sites that are looked at together, unless one site has more."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A key that does not hold: `key` says which, `detail` what is wrong with it."""

    key: str
    detail: str


@dataclass(frozen=True, slots=True)
class Check:
    """The outcome of one check.

    Attributes:
        name: In one word.
        rule: What must hold.
        rows: How many rows it looked at.
        keys: How many keys (accounts, meters, postings, ...) these rows were of.
        wrong: How many keys do not hold.
        faults: The first of them.
    """

    name: str
    rule: str
    rows: int
    keys: int
    wrong: int
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """A check of some sites, or of one table."""

    rows: int
    keys: int
    wrong: int
    faults: tuple[Fault, ...]


# The last batch of a partition whose first parts alone are there, from which place to which.
_BEGUN: Final = """
SELECT partition, min(first), max(last)
FROM
(
    SELECT partition, sequence, min(posting_offset) AS first, max(posting_offset) AS last
    FROM postings WHERE {finished} GROUP BY partition, site, sequence
    HAVING count() < any(parts) AND max(part) + 1 = count()
)
WHERE (partition, sequence) IN (SELECT partition, max(sequence) FROM postings WHERE {finished} GROUP BY partition)
GROUP BY partition
"""


class Scope:
    """The database, as far as its sink has finished it.

    Rows of a block that is being written are not all there; they are left out, by the positions that the sink had
    when the audit began. So is a batch of which the last finished block has the first parts: the next block has the
    others.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        ends = positions(client)
        self.finished = _before(ends)
        """A condition on rows with `partition` and `posting_offset`."""
        for partition, first, last in self.ask(_BEGUN):
            # A part and the marker of its transaction. What lies further back than the position is missing.
            if ends[partition] <= last + 2:
                ends[partition] = first
        self.finished = _before(ends)

    def positions(self) -> Mapping[int, int]:
        """How far the sink is now, which may be further than when the audit began."""
        return positions(self._client)

    def ask(self, sql: str, **values: object) -> list[tuple[Any, ...]]:
        """Rows of a query; `{finished}` in it stands for the condition above."""
        rows: list[tuple[Any, ...]] = self._client.execute(sql.replace("{finished}", self.finished), values)
        return rows

    def groups(self) -> list[tuple[str, ...]]:
        """All sites that have a row anywhere, together as far as their rows can be sorted in memory."""
        tables = {"accounts": 0, "meters": 0, "entries": 1, "readings": 1, "pieces": 1}
        union = " UNION ALL ".join(
            f"SELECT toString(site) AS name, {size} AS size FROM {table}" for table, size in tables.items()
        )
        groups: list[list[str]] = []
        room = 0
        for name, size in self.ask(f"SELECT name, sum(size) FROM ({union}) GROUP BY name ORDER BY name"):
            if not groups or size > room:
                groups.append([])
                room = GROUP_ROWS
            groups[-1].append(name)
            room -= size
        return [tuple(group) for group in groups]


def _before(ends: Mapping[int, int]) -> str:
    partitions, nexts = list(ends), list(ends.values())
    return f"posting_offset < transform(toUInt64(partition), {partitions}, {nexts}, toInt64(0))" if ends else "0"


def gather(name: str, rule: str, findings: Sequence[Finding]) -> Check:
    """A check from its parts."""
    return Check(
        name,
        rule,
        sum(finding.rows for finding in findings),
        sum(finding.keys for finding in findings),
        sum(finding.wrong for finding in findings),
        tuple(fault for finding in findings for fault in finding.faults),
    )
