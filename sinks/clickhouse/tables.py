"""Rows on their way to a table: columns of NumPy arrays, cut by the table's partitions."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from streams.postings import Postings


@dataclass(frozen=True, slots=True)
class Words:
    """A column of texts: row i is `words[codes[i]]`."""

    codes: NDArray[np.int32]
    words: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.codes)


Column: TypeAlias = NDArray[Any] | Words
"""Numbers as they are, times as ms since 1970 UTC, texts as `Words` or an object array, lists as object array."""


@dataclass(frozen=True, slots=True)
class TableRows:
    """Rows for one table and one month of it, on one shard: what one insert carries.

    `month` is yyyymm of the table's time column, 0 for a table that is not partitioned by month; `shard` is the index
    of the shard in its cluster, 0 without one.
    """

    table: str
    month: int
    columns: Mapping[str, Column]
    count: int
    shard: int = 0


@dataclass(frozen=True, slots=True)
class Posted:
    """A posting and where it lies in `ledger.postings`."""

    partition: int
    offset: int
    postings: Postings


TIME_COLUMNS: Final[Mapping[str, str]] = {
    "accounts": "",
    "meters": "",
    "tariff_versions": "",
    "readings": "read_at",
    "pieces": "read_at",
    "entries": "at",
    "commands": "at",
    "notices": "at",
    "alarms": "at",
    "refusals": "at",
    "closings": "at",
    "postings": "",
}
"""Tables in the order of writing, each with the column by whose month it is partitioned, if any."""


def cut_by_month(table: str, columns: Mapping[str, Column]) -> Iterator[TableRows]:
    """Cut a table's rows so that each piece lies in one partition, where an insert is there as a whole or not
    at all. Nothing if there are no rows; no copy if there is one month."""
    count = len(next(iter(columns.values()), ()))
    if not count:
        return
    time = TIME_COLUMNS[table]
    if not time:
        yield TableRows(table, 0, columns, count)
        return
    times = columns[time]
    assert isinstance(times, np.ndarray), f"{time} of {table} is no array of times"
    months = times.astype("M8[ms]").astype("M8[M]").astype(np.int64)
    if months.min() == months.max():
        yield TableRows(table, _yyyymm(int(months[0])), columns, count)
        return
    for month in np.unique(months).tolist():
        chosen = months == month
        cut = {name: _choose(column, chosen) for name, column in columns.items()}
        yield TableRows(table, _yyyymm(month), cut, int(chosen.sum()))


def cut_by_shard(tables: Iterable[TableRows], shard_of: Callable[[str], int]) -> list[TableRows]:
    """Cut rows so that each piece goes to one shard of a cluster, that of its site."""
    return [cut for rows in tables for cut in _by_shard(rows, shard_of)]


def _by_shard(rows: TableRows, shard_of: Callable[[str], int]) -> Iterator[TableRows]:
    sites = rows.columns["site"]
    if isinstance(sites, Words):
        shards = np.array([shard_of(site) for site in sites.words], np.int64)[sites.codes]
    else:
        shards = np.array([shard_of(site) for site in sites], np.int64)
    for shard in np.unique(shards).tolist():
        chosen = shards == shard
        cut = {name: _choose(column, chosen) for name, column in rows.columns.items()}
        yield replace(rows, columns=cut, count=int(chosen.sum()), shard=shard)


def month_bounds_ms(month: int) -> tuple[int, int]:
    """First millisecond of a month yyyymm (UTC) and of the next one.

    >>> month_bounds_ms(197002)
    (2678400000, 5097600000)
    """
    start = np.datetime64(f"{month // 100:04}-{month % 100:02}", "M")
    return _ms(start), _ms(start + 1)


def _ms(time: np.datetime64) -> int:
    return int(time.astype("M8[ms]").astype(np.int64))


def _yyyymm(months_since_1970: int) -> int:
    return (1970 + months_since_1970 // 12) * 100 + months_since_1970 % 12 + 1


def _choose(column: Column, chosen: NDArray[np.bool_]) -> Column:
    return Words(column.codes[chosen], column.words) if isinstance(column, Words) else column[chosen]
