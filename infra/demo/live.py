"""`sluice demo`: everything in the data directory, and a view of it until Ctrl-C."""

import contextlib
import time
from collections import deque
from collections.abc import Iterator
from typing import Final

from clickhouse_driver import errors as clickhouse
from kafka.errors import KafkaError
from rich.console import Console
from rich.live import Live

from infra.demo.move_in import move_in
from infra.demo.snapshot import Snapshot
from infra.demo.told import Told
from infra.demo.view import address_line, line, panel
from infra.demo.watch import Watch
from infra.endpoints import EndpointError, clickhouse_url
from infra.settings import Settings
from infra.supervisor import Event, Supervisor, What

LOOK_S: Final = 1.0
"""Between two looks on a terminal."""
LINE_S: Final = 5.0
"""Between two lines elsewhere."""
LOOK_SHARE: Final = 4
"""Looking takes at most one in so many parts of the time, however much there is to look at."""
EVENTS: Final = 3
"""The latest restarts of parts are shown, so many."""

_AWAY = (KafkaError, clickhouse.Error, EndpointError, OSError, EOFError)


def run_live(settings: Settings, console: Console) -> None:
    """Start all parts, let the property group move in, and show how it does; only an exception ends it.

    Raises:
        SupervisorError: A part does not start, or Sluice runs already on this data directory.
    """
    told = Told(console)
    parts = _Parts(told)
    with Supervisor(settings, on_event=parts.take) as supervisor:
        supervisor.start()
        told.say(f"everything runs in {settings.data_dir}")
        orders = move_in(settings)
        told.say(f"{orders:,} orders: accounts, meters, first recharges" if orders else "the accounts are there")
        try:
            if console.is_terminal:
                parts.quiet = True
                _show(settings, console, parts)
            else:
                told.say(address_line(clickhouse_url(settings)))
                for snapshot in _snapshots(settings, LINE_S):
                    told.say(line(snapshot) if snapshot else "a server does not answer")
        finally:
            parts.quiet = False
            told.say("stopping all parts")


class _Parts:
    """Tells what happens to parts, or keeps it for the view while that fills the terminal."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self.quiet = False
        self.events: deque[Event] = deque(maxlen=EVENTS)

    def take(self, event: Event) -> None:
        if not self.quiet:
            self._told.take(event)
        elif event.what is not What.STARTING:
            self.events.append(event)


def _show(settings: Settings, console: Console, parts: _Parts) -> None:
    with Live(console=console, auto_refresh=False, transient=True) as live:
        for snapshot in _snapshots(settings, LOOK_S):
            if snapshot is None:
                live.update("a server does not answer; it is started again if it ended", refresh=True)
                continue
            live.update(panel(snapshot, speed=settings.speed, events=tuple(parts.events)), refresh=True)


def _snapshots(settings: Settings, every_s: float) -> Iterator[Snapshot | None]:
    """Snapshots without end; None while a server is away, which is looked for again over new connections."""
    while True:
        with contextlib.suppress(*_AWAY), Watch(settings) as watch:
            while True:
                began = time.monotonic()
                yield watch.look()
                time.sleep(max(every_s, (LOOK_SHARE - 1) * (time.monotonic() - began)))
        yield None
        time.sleep(every_s)
