"""What a report is asked: a period, maybe one site, and the database that answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from clickhouse_driver.numpy.result import NumpyQueryResult
from numpy.typing import NDArray

from analytics.period import Period

Columns: TypeAlias = dict[str, NDArray[Any]]
"""Columns of equal length by name."""


@dataclass(frozen=True, slots=True)
class Question:
    """A period of local days, all sites or one, and a `clickhouse_driver.Client`.

    Attributes:
        statement: A channel's statement, for the report that compares collections with it.
        meters: Which meter stands above which, for the reports on losses.
        places: Where meters hang and what area they supply, for reports by zone and per m².

    Queries may use `%(first)s` and `%(end)s`, the period's bounds in time, and `{days}`, a condition on the column
    `day`; `{site}` becomes a condition on the column `site`.
    """

    client: Any
    period: Period
    site: str | None = None
    statement: Path | None = None
    meters: Path | None = None
    places: Path | None = None

    def ask(self, sql: str, **values: object) -> list[tuple[Any, ...]]:
        """The rows of a query.

        Raises:
            clickhouse_driver.errors.Error: The database does not answer.
        """
        text, given = self._bound(sql, values)
        rows: list[tuple[Any, ...]] = self.client.execute(text, given)
        return rows

    def columns(self, sql: str, names: Sequence[str], **values: object) -> Columns:
        """The columns of a query under these names: integers as int64 where all of a column fit, all else as it is.

        Raises:
            clickhouse_driver.errors.Error: The database does not answer.
        """
        text, given = self._bound(sql, values)
        kept = self.client.query_result_cls
        # Numbers as the driver reads them off the line, instead of lists that are made arrays of again.
        self.client.query_result_cls = NumpyQueryResult
        try:
            columns = self.client.execute(text, given, columnar=True, settings={"use_numpy": True})
        finally:
            self.client.query_result_cls = kept
        return {name: _array(column) for name, column in zip(names, columns or [()] * len(names), strict=True)}

    def _bound(self, sql: str, values: Mapping[str, object]) -> tuple[str, dict[str, object]]:
        """A query's text and values for the driver."""
        bounds = {
            "first_ms": self.period.first_ms,
            "end_ms": self.period.end_ms,
            "first_day": self.period.first.isoformat(),
            "end_day": self.period.end.isoformat(),
            "site": self.site,
        }
        bound = "fromUnixTimestamp64Milli(toInt64(%({})s), 'UTC')"
        text = sql.replace("%(first)s", bound.format("first_ms")).replace("%(end)s", bound.format("end_ms"))
        text = text.replace("{site}", "site = %(site)s" if self.site is not None else "1")
        text = text.replace("{days}", "day >= toDate(%(first_day)s) AND day < toDate(%(end_day)s)")
        return text, {**bounds, **values}

    def over(self, period: Period) -> "Question":
        """The same question about another period."""
        return replace(self, period=period)

    def frame(self, sql: str, columns: Sequence[str], **values: object) -> pd.DataFrame:
        """The rows of a query under these names, every value as the driver gives it."""
        return exact_frame(self.ask(sql, **values), columns)


def _array(column: Any) -> NDArray[Any]:
    array = np.asarray(column)
    if array.dtype.kind in "iu" and not np.any(array > np.iinfo(np.int64).max):
        return array.astype(np.int64, copy=False)
    return array.astype(object, copy=False)


def exact_frame(rows: Sequence[Sequence[object]], columns: Sequence[str]) -> pd.DataFrame:
    """A frame of Python's own values (dtype object): integers of any size stay what they are, None stays None."""
    return pd.DataFrame(list(rows), columns=list(columns), dtype=object)
