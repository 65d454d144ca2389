"""`sluice audit`: what must hold between the rows of the database."""

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from analytics.audit import Check, audit
from analytics.database import connected
from infra.settings import Settings


def audit_command(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of a table")] = False,
) -> None:
    """Check that ClickHouse's rows account for all money and all consumption; exit status 1 if they do not."""
    with connected(Settings()) as client:
        checks = audit(client)
    if as_json:
        sys.stdout.write(json.dumps({"checks": [asdict(check) for check in checks]}, ensure_ascii=False) + "\n")
    else:
        _show(Console(), checks)
    if any(check.wrong for check in checks):
        raise typer.Exit(1)


def _show(console: Console, checks: list[Check]) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("check", "what holds"):
        table.add_column(heading, no_wrap=heading == "check")
    for heading in ("rows", "keys", "wrong"):
        table.add_column(heading, justify="right", no_wrap=True)
    for check in checks:
        wrong = f"[red]{check.wrong:,}[/red]" if check.wrong else "0"
        table.add_row(check.name, check.rule, f"{check.rows:,}", f"{check.keys:,}", wrong)
    console.print(table)
    for check in checks:
        for fault in check.faults:
            console.print(f"{check.name}: {fault.key}: {fault.detail}", highlight=False, markup=False, soft_wrap=True)
        rest = check.wrong - len(check.faults)
        if rest:
            console.print(f"{check.name}: and {rest:,} more", highlight=False)
