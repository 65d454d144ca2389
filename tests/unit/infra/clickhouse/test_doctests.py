"""The examples in the docstrings are true."""

import doctest
import importlib

import pytest


@pytest.mark.parametrize("name", ["cluster", "cluster_schema", "columns", "errors", "migrate", "statements", "writer"])
def test_examples(name: str) -> None:
    results = doctest.testmod(importlib.import_module(f"infra.clickhouse.{name}"))
    assert results.attempted > 0
    assert results.failed == 0
