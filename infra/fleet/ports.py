"""Ports that are chosen once and then kept, so that a restarted fleet is found where it was."""

import json
import random
from pathlib import Path

from infra.fleet.errors import FleetError
from infra.fleet.files import write_atomically
from infra.ports import free_ports

_WISHED = range(20_000, 32_000)
"""Below what Linux takes for outgoing connections (32768 and up): one of those could otherwise hold a kept port
while the fleet is down."""


class PortBook:
    """The ports of one data directory by name, in a JSON file."""

    def __init__(self, path: Path) -> None:
        """Open the book, or begin one.

        Raises:
            FleetError: The file is not what this class writes.
        """
        self._path = path
        self._ports: dict[str, int] = {}
        if path.exists():
            try:
                self._ports = {str(name): int(port) for name, port in json.loads(path.read_bytes()).items()}
            except (ValueError, TypeError, AttributeError) as error:
                raise FleetError(f"{path} is not a list of ports: {error!r}") from error

    def port(self, name: str) -> int:
        """Give the port of that name; a free one is chosen the first time."""
        if name not in self._ports:
            self.choose(name)
        return self._ports[name]

    def choose(self, name: str) -> int:
        """Choose a free port for that name, in place of the one it may have had."""
        taken = set(self._ports.values())
        # At random, so that fleets that start together on one machine seldom want the same one.
        wished = random.SystemRandom().choice([port for port in _WISHED if port not in taken])
        (self._ports[name],) = free_ports(1, preferred=[wished])
        return self._ports[name]

    def save(self) -> None:
        """Keep the book."""
        write_atomically(self._path, json.dumps(self._ports, indent=1).encode() + b"\n")
