"""The examples in the docstrings are true."""

import doctest
import importlib

import pytest


@pytest.mark.parametrize("name", ["checks.check", "evidence.books", "judge", "view", "watch"])
def test_examples(name: str) -> None:
    results = doctest.testmod(importlib.import_module(f"infra.demo.{name}"))
    assert results.attempted > 0
    assert results.failed == 0
