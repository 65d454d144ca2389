"""Texts go to clickhouse-driver as codes, and only those that occur."""

from typing import Any

import numpy as np
import pandas as pd

from sinks.clickhouse.driver import numpy_column, plain_column
from sinks.clickhouse.tables import Words

WORDS = Words(np.array([3, 1, 3], np.int32), np.array(["", "a", "unused", "b"], object))


def test_the_driver_finds_codes_and_words_without_looking_at_rows() -> None:
    """What clickhouse-driver does with a column of type LowCardinality(String), step by step."""
    column: Any = numpy_column(WORDS)
    categorical = pd.Categorical(column)
    words = categorical.categories.to_numpy(column.dtype)
    assert words.tolist() == ["a", "b"]
    assert words.dtype == object
    assert all(type(word) is str for word in words)
    assert categorical.codes.tolist() == [1, 0, 1]


def test_other_columns_are_left_alone() -> None:
    numbers = np.arange(3)
    assert numpy_column(numbers) is numbers


def test_a_plain_column_is_a_list_of_python_values() -> None:
    assert plain_column(WORDS) == ["b", "a", "b"]
    assert plain_column(np.arange(3)) == [0, 1, 2]
