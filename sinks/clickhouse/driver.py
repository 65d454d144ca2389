"""Columns as clickhouse-driver takes them."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sinks.clickhouse.tables import Column, Words


class _TextType(pd.CategoricalDtype):
    """A categorical type that NumPy may be asked for.

    clickhouse-driver writes a LowCardinality column from a categorical's codes, and converts its words to the
    column's own type, which for a plain categorical NumPy does not know. Without codes it would find the words
    of every row by their texts, which takes forty times as long as sending them.
    """

    dtype = np.dtype(object)


def numpy_column(column: Column) -> NDArray[Any] | pd.Categorical:
    """A column for a client with `use_numpy`; `Words` for a column of type LowCardinality(String)."""
    if not isinstance(column, Words):
        return column
    # Only words that occur: the driver chooses the width of the codes by the number of rows.
    occurs = np.zeros(len(column.words), np.bool_)
    occurs[column.codes] = True
    codes = (np.cumsum(occurs) - 1)[column.codes]
    words = _TextType(pd.Index(column.words[occurs], dtype=object))
    return pd.Categorical.from_codes(codes, dtype=words, validate=False)


def plain_column(column: Column) -> list[Any]:
    """A column for a client without `use_numpy`."""
    values = column.words[column.codes] if isinstance(column, Words) else column
    return list(values.tolist())
