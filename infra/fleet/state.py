"""What a fleet keeps in its data directory, besides the journal of controls.

registry.json         for the collector: gateways, ports, meters
clock.json            the virtual time, shared with all parts (`infra.clock`)
fleet/property.json   size, seed and origin of the property group that lives here
fleet/ports.json      the ports it has
fleet/orders.jsonl    the orders that bring it into being
fleet/controls.jsonl  the journal
"""

import json
from dataclasses import asdict
from pathlib import Path

from infra.clock import CLOCK_FILE, ScaledClock, load_clock
from infra.fleet.errors import FleetError
from infra.fleet.files import write_atomically
from infra.fleet.layout import lay_out
from infra.fleet.orders import initial_orders
from infra.fleet.property import Property, PropertySize

VIRTUAL_ORIGIN_MS = 1_772_409_600_000
"""2026-03-02T08:00:00+08:00, a Monday morning as the shops open."""


class FleetState:
    """The files of one data directory."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._folder = data_dir / "fleet"
        self.ports_path = self._folder / "ports.json"
        self.lock_path = self._folder / "lock"
        self.journal_path = self._folder / "controls.jsonl"
        self.orders_path = self._folder / "orders.jsonl"
        self.registry_path = data_dir / "registry.json"

    def property_group(self, size: PropertySize) -> Property:
        """Give the property group that lives here; one of this size moves in if none does.

        Raises:
            FleetError: One of another size or seed lives here, or the file is damaged; or none lives here, but there
                is a registry.
        """
        path = self._folder / "property.json"
        if not path.exists():
            if self.registry_path.exists():
                raise FleetError(
                    f"{self.registry_path} is there and no virtual property group lives here, so it is yours and is"
                    " left alone: SLUICE_FLEET=0 collects from its gateways, another SLUICE_DATA_DIR has room for a"
                    " virtual one"
                )
            origin_ms = self._clock_origin_ms()
            write_atomically(path, json.dumps({**asdict(size), "origin_ms": origin_ms}).encode() + b"\n")
            return lay_out(size, origin_ms=origin_ms)
        try:
            fields = json.loads(path.read_bytes())
            origin_ms = int(fields.pop("origin_ms"))
            kept = PropertySize(**fields)
        except (ValueError, TypeError, KeyError) as error:
            raise FleetError(f"{path} does not describe a property group: {error!r}") from error
        if kept != size:
            raise FleetError(
                f"{self._data_dir} holds {_describe(kept)}, and its accounts cannot become {_describe(size)};"
                " start with the same sizes or with another SLUICE_DATA_DIR"
            )
        return lay_out(size, origin_ms=origin_ms)

    def write_orders(self, group: Property) -> None:
        """Write the orders that bring the group into being, one a line."""
        lines = [json.dumps(order, ensure_ascii=False) for order in initial_orders(group)]
        write_atomically(self.orders_path, ("\n".join(lines) + "\n").encode())

    def write_registry(self, registry: dict[str, object]) -> None:
        """Write the registry."""
        write_atomically(self.registry_path, json.dumps(registry).encode() + b"\n")

    def _clock_origin_ms(self) -> int:
        """Give the time at which a new group's meters begin: where the virtual clock starts or was started."""
        if not (self._data_dir / CLOCK_FILE).exists():
            return VIRTUAL_ORIGIN_MS
        clock = load_clock(self._data_dir)
        assert isinstance(clock, ScaledClock)
        return clock.origin_virtual_ms


def _describe(size: PropertySize) -> str:
    return f"{size.sites} sites, {size.gateways} gateways, {size.meters} meters of seed {size.seed}"
