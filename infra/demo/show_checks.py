"""The checks of a run, for people: a table on a terminal, else a line each, which can be searched."""

from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.table import Table

from infra.demo.checks.check import Check

HOLDS: Final = "holds"
FAILS: Final = "FAILS"


def show_checks(console: Console, checks: Sequence[Check]) -> None:
    """Print all checks in their order."""
    if console.is_terminal:
        console.print(_table(checks))
        return
    for check in checks:
        line = f"{_verdict(check)}  {check.name}: {check.found}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _table(checks: Sequence[Check]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("", "check", "found"):
        table.add_column(heading, no_wrap=not heading)
    for check in checks:
        style = "green" if check.held else "bold red"
        table.add_row(f"[{style}]{_verdict(check)}[/]", check.name, check.found)
    return table


def _verdict(check: Check) -> str:
    return HOLDS if check.held else FAILS
