"""Checks as a table on a terminal, and as lines that can be searched elsewhere."""

from io import StringIO

import pytest
from rich.console import Console

from infra.demo.checks.check import Check
from infra.demo.show_checks import show_checks

CHECKS = [Check("each is there once", True, "3 of [3]"), Check("none is late", False, "1 is: " + "very " * 40 + "late")]


def printed(*, terminal: bool) -> str:
    file = StringIO()
    show_checks(Console(file=file, force_terminal=terminal, width=60), CHECKS)
    return file.getvalue()


def test_lines_are_whole_however_long() -> None:
    lines = printed(terminal=False).splitlines()
    assert lines == ["holds  each is there once: 3 of [3]", f"FAILS  none is late: {CHECKS[1].found}"]


@pytest.mark.parametrize("text", ["holds", "FAILS", "each is there once", "3 of [3]", "none is late"])
def test_a_table_has(text: str) -> None:
    assert text in printed(terminal=True)
