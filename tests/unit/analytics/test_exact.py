"""Sums and products by int64 are those of Python's integers, whatever their size."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from analytics.exact import BOUND, exact, exact_sum, product, sums

int64 = st.integers(-(2**63) + 1, 2**63 - 1)
any_size = int64 | st.integers(-1000, 1000) | st.integers(-BOUND - 2, -BOUND + 2) | st.integers(BOUND - 2, BOUND + 2)


def column(numbers: list[int], *, as_objects: bool) -> Any:
    return np.array(numbers, object if as_objects else np.int64)


@given(st.lists(any_size), st.booleans())
def test_a_column_stays_what_it_is_and_is_int64_within_the_bound(numbers: list[int], as_objects: bool) -> None:
    found = exact(column(numbers, as_objects=as_objects))
    assert found.tolist() == numbers
    assert (found.dtype == np.int64) == all(-BOUND < number < BOUND for number in numbers)


@given(st.lists(any_size), st.booleans())
def test_the_sum_of_all(numbers: list[int], as_objects: bool) -> None:
    assert exact_sum(column(numbers, as_objects=as_objects)) == sum(numbers)


@given(st.lists(st.tuples(st.integers(0, 3), any_size)), st.booleans())
def test_the_sum_of_each_group(numbers: list[tuple[int, int]], as_objects: bool) -> None:
    groups = np.array([group for group, _ in numbers], np.int64)
    found = sums(column([number for _, number in numbers], as_objects=as_objects), groups, 4)
    assert found.tolist() == [sum(number for of, number in numbers if of == group) for group in range(4)]


@given(st.lists(st.tuples(any_size, any_size)), st.booleans())
def test_number_by_number(pairs: list[tuple[int, int]], as_objects: bool) -> None:
    left, right = (column([pair[side] for pair in pairs], as_objects=as_objects) for side in (0, 1))
    assert product(left, right).tolist() == [one * other for one, other in pairs]
