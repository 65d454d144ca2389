"""What a fleet keeps in its data directory, besides the journal of controls.

registry.json         for the collector: gateways, ports, meters
uploads.json          for the collector, if there are gateways that upload: which, and by which ways
gateway-keys.json     their keys, if some do by HTTP
clock.json            the virtual time, shared with all parts (`infra.clock`)
fleet/property.json   size, seed and origin of the property group that lives here
fleet/ports.json      the ports it has
fleet/orders.jsonl    the orders that bring it into being
fleet/controls.jsonl  the journal
"""

import json
import secrets
from dataclasses import asdict
from pathlib import Path
from typing import Any

from collectors.uploads.plan import UPLOADS_FILE
from infra.clock import CLOCK_FILE, ScaledClock, load_clock
from infra.fleet.errors import FleetError
from infra.fleet.fault import Fault
from infra.fleet.files import write_atomically
from infra.fleet.layout import lay_out
from infra.fleet.orders import initial_orders
from infra.fleet.property import DEMO_LINKS, Link, Property, PropertySize
from infra.gateway_keys import KEYS_FILE, read_gateway_keys

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
            write_atomically(path, json.dumps({**_fields(size), "origin_ms": origin_ms}).encode() + b"\n")
            return lay_out(size, origin_ms=origin_ms)
        try:
            fields = json.loads(path.read_bytes())
            origin_ms = int(fields.pop("origin_ms"))
            kept = _size(fields)
        except (ValueError, TypeError, KeyError, AttributeError, FleetError) as error:
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

    def write_uploads(self, uploads: dict[str, object]) -> None:
        """Write which gateways upload."""
        write_atomically(self._data_dir / UPLOADS_FILE, json.dumps(uploads).encode() + b"\n")

    def gateway_keys(self, group: Property) -> dict[str, str]:
        """Give the keys of the gateways that upload by HTTP, in hexadecimal; made when first asked for.

        Raises:
            FleetError: There are keys already that are not this fleet's.
        """
        wanted = [plan.gateway for plan in group.gateways if plan.link is Link.HTTP]
        path = self._data_dir / KEYS_FILE
        if not wanted:
            return {}
        if not path.exists():
            write_atomically(path, json.dumps({gateway: secrets.token_hex(32) for gateway in wanted}).encode() + b"\n")
            path.chmod(0o600)
        keys = read_gateway_keys(path)
        if missing := [gateway for gateway in wanted if gateway not in keys]:
            raise FleetError(f"{path} has no key of gateway {missing[0]}, which is to upload with one")
        return {gateway: keys[gateway].hex() for gateway in wanted}

    def _clock_origin_ms(self) -> int:
        """Give the time at which a new group's meters begin: where the virtual clock starts or was started."""
        if not (self._data_dir / CLOCK_FILE).exists():
            return VIRTUAL_ORIGIN_MS
        clock = load_clock(self._data_dir)
        assert isinstance(clock, ScaledClock)
        return clock.origin_virtual_ms


def _fields(size: PropertySize) -> dict[str, object]:
    return {**asdict(size), "links": list(size.links), "faults": sorted(size.faults)}


def _size(fields: dict[str, Any]) -> PropertySize:
    """The size that was written, also by a version that knew of no other links and of no faults."""
    links = tuple(Link(link) for link in fields.pop("links", DEMO_LINKS))
    return PropertySize(links=links, faults=frozenset(map(Fault, fields.pop("faults", ()))), **fields)


def _describe(size: PropertySize) -> str:
    told = f"{size.sites} sites, {size.gateways} gateways, {size.meters} meters of seed {size.seed}"
    if size.links != DEMO_LINKS:
        told += f", links {','.join(size.links)}"
    if size.faults:
        told += f", faults {','.join(sorted(size.faults))}"
    return told + (f", {size.hours} hours" if size.hours else "")
