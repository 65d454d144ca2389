"""The examples in the sinks' docstrings hold."""

import doctest
import importlib

import pytest


@pytest.mark.parametrize("name", ["blocks", "registry", "tables"])
def test_examples_hold(name: str) -> None:
    results = doctest.testmod(importlib.import_module(f"sinks.clickhouse.{name}"))
    assert results.attempted
    assert not results.failed
