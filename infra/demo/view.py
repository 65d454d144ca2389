"""How a live demo looks: a few tables on a terminal, one line elsewhere."""

from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from infra.demo.snapshot import Snapshot
from infra.supervisor import Event
from streams.core.localtime import format_time
from streams.core.units import format_quantity

_ACTIONS: Final = {"cut": "bold red", "restore": "green"}
_CENT: Final = 10_000_000
"""Nano-yuan."""


def panel(snapshot: Snapshot, *, speed: int, events: Sequence[Event]) -> RenderableType:
    """Everything, for a terminal of at least 80 columns."""
    accounts = snapshot.accounts
    facts = Table.grid(padding=(0, 2))
    facts.add_row("virtual time", f"{virtual_time(snapshot.at_ms)}, {speed} times as fast as yours")
    facts.add_row("readings", f"{snapshot.readings:,} in ClickHouse, {snapshot.readings_per_s:,}/s")
    facts.add_row(
        "accounts",
        Text.assemble(
            f"{accounts.credit:,} in credit, ",
            (f"{accounts.low:,} low", "yellow"),
            ", ",
            (f"{accounts.arrears:,} in arrears", "red"),
            f"; {accounts.meters_off:,} meters cut",
        ),
    )
    facts.add_row("behind", behind(snapshot))
    events_told = [Text(f"{event.member} {event.what} {event.detail}".rstrip(), style="yellow") for event in events]
    address = Text(address_line(snapshot.clickhouse), overflow="fold")
    parts: list[RenderableType] = [facts, Text(), _deductions(snapshot), Text(), _switches(snapshot), Text()]
    parts += [*events_told, Text("clickhouse-driver:"), address, Text("Ctrl-C ends it", style="dim")]
    return Group(*parts)


def line(snapshot: Snapshot) -> str:
    """The same in short."""
    accounts = snapshot.accounts
    last = f"; last {_switch(snapshot)}" if snapshot.switches else ""
    return (
        f"{virtual_time(snapshot.at_ms)}  readings {snapshot.readings:,} ({snapshot.readings_per_s:,}/s)"
        f"  accounts {accounts.credit:,} in credit, {accounts.low:,} low, {accounts.arrears:,} in arrears"
        f"  {accounts.meters_off:,} meters cut{last}  behind {behind(snapshot)}"
    )


def address_line(url: str) -> str:
    """What an analyst pastes into Python."""
    return f'from clickhouse_driver import Client; client = Client.from_url("{url}")'


def behind(snapshot: Snapshot) -> str:
    """The readers' lags in words."""
    return ", ".join(
        f"{lag.reader} {'has not begun' if lag.behind is None else f'{lag.behind:,} of {lag.topic}'}"
        for lag in snapshot.lags
    )


def virtual_time(at_ms: int) -> str:
    """A virtual time to the minute, as the sites' clocks show it.

    >>> virtual_time(1_772_409_600_000)
    '2026-03-02 08:00'
    """
    return format_time(at_ms)[:16].replace("T", " ")


def _deductions(snapshot: Snapshot) -> Table:
    table = Table(box=None, pad_edge=False, title="last deductions", title_justify="left")
    for heading in ("read at", "account", "meter"):
        table.add_column(heading, no_wrap=True)
    for heading in ("kWh", "yuan", "balance"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in snapshot.deductions:
        energy, amount = format_quantity(row.consumption_wh), _yuan(row.amount)
        table.add_row(virtual_time(row.read_at_ms), row.account, row.meter, energy, amount, _yuan(row.balance))
    return table


def _switches(snapshot: Snapshot) -> Table:
    table = Table(box=None, pad_edge=False, title="cuts and restores", title_justify="left")
    for heading in ("at", "meter", "command", "reason"):
        table.add_column(heading, no_wrap=True)
    for row in snapshot.switches:
        command = Text(row.action, style=_ACTIONS.get(row.action, ""))
        table.add_row(virtual_time(row.at_ms), row.meter, command, row.reason)
    return table


def _switch(snapshot: Snapshot) -> str:
    row = snapshot.switches[0]
    return f"{row.action} {row.meter} ({row.reason})"


def _yuan(nano: int) -> str:
    """Yuan to the cent, cut towards zero: only to look at.

    >>> _yuan(-1_239_999_999)
    '-1.23'
    """
    cents = abs(nano) // _CENT
    return f"{'-' if nano < 0 else ''}{cents // 100:,}.{cents % 100:02d}"
