"""The examples in the docstrings of analytics hold."""

import doctest
import importlib

import pytest


@pytest.mark.parametrize("name", ["exact", "money", "period", "plots.picture", "show.cells"])
def test_examples_hold(name: str) -> None:
    results = doctest.testmod(importlib.import_module(f"analytics.{name}"))
    assert results.attempted
    assert not results.failed
