"""What a demo tells while it works: one line each, with the seconds since it began."""

import time

from rich.console import Console

from infra.supervisor import Event, What


class Told:
    """Writes lines to a console; may be called by several threads."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the demo began."""
        return time.monotonic() - self._began

    def say(self, text: str) -> None:
        self._console.print(f"{self.seconds:6.1f} s  {text}", highlight=False, markup=False, soft_wrap=True)

    def take(self, event: Event) -> None:
        """Tell what happened to a part; that it is being started goes without saying."""
        if event.what is not What.STARTING:
            ports = " ".join(f"{name}:{port}" for name, port in event.ports)
            self.say(f"{event.member:<10} {event.what} {event.detail or ports}".rstrip())
