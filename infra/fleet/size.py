"""The property group that the settings ask for."""

from infra.fleet.fault import Fault
from infra.fleet.names import parse_names
from infra.fleet.property import Link, PropertySize
from infra.settings import Settings


def size_of(settings: Settings) -> PropertySize:
    """What the settings say of the virtual property group.

    Raises:
        FleetError: The sizes do not fit together, or a link or a fault is none.
    """
    return PropertySize(
        sites=settings.sites,
        gateways=settings.gateways,
        meters=settings.meters,
        seed=settings.seed,
        links=parse_names("SLUICE_FLEET_LINKS", settings.fleet_links, Link),
        faults=frozenset(parse_names("SLUICE_FLEET_FAULTS", settings.fleet_faults, Fault)),
        hours=settings.fleet_hours,
    )
