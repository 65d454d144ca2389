"""The property group drawn from its seed: who hangs on which gateway, and who rents what."""

from collections.abc import Mapping
from dataclasses import dataclass

from infra.fleet.ailing import swap_of
from infra.fleet.meter import MeterSpec
from infra.fleet.property import DEMO, AccountPlan, GatewayPlan, Link, Property, PropertySize, Swap
from infra.fleet.renting import Renting
from infra.fleet.seeded import Seeded
from infra.fleet.tenants import CHARACTERS

_LINE_NUMBER = 2026_0000
"""The first eight digits of a DL/T645 address, plus the gateway's number in the group."""
_WATER_NUMBER = 16
"""The first two digits of a CJ/T188 address here; what follows is made as for DL/T645."""
_METERS_AN_ACCOUNT = ((1, 92), (2, 6), (3, 2))
_HASTY_SHARE = 100
"""One account in this many runs out soon."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place for a meter on a gateway's line, before anybody rents it."""

    meter: str
    number: int
    gateway: str
    link: Link
    address: str


def lay_out(size: PropertySize, *, origin_ms: int) -> Property:
    """Draw the property group; the same size and origin give the same group.

    Args:
        origin_ms: When all meters are installed and begin to count, virtual ms since 1970 UTC.
    """
    sites = tuple(f"S{number + 1}" for number in range(size.sites))
    accounts: list[AccountPlan] = []
    gateways: list[GatewayPlan] = []
    swaps: list[Swap] = []
    for index, site in enumerate(sites):
        places = _places(size, site, index, first_gateway=len(gateways))
        rented = _rent_out(size, site, index, places, origin_ms)
        accounts += rented
        specs = {spec.meter: spec for account in rented for spec in account.meters}
        found = [swap for spec in specs.values() if spec.meter != DEMO.meter and (swap := swap_of(size, spec))]
        swaps += [swap for swap, _ in found]
        gateways += _gateways(site, places, specs, [successor for _, successor in found])
    return Property(size, origin_ms, sites, tuple(gateways), tuple(accounts), tuple(swaps))


def _share(whole: int, parts: int, index: int) -> int:
    """Split evenly: the first parts take one more where it does not go even."""
    return whole // parts + (index < whole % parts)


def _places(size: PropertySize, site: str, index: int, *, first_gateway: int) -> list[Place]:
    """Number a site's gateways and the meters on them; links take turns over the whole group."""
    places: list[Place] = []
    for number in range(_share(size.gateways, size.sites, index)):
        overall = first_gateway + number
        gateway = f"{site}-G{number + 1:02d}"
        link = size.links[overall % len(size.links)]
        for slot in range(1, _share(size.meters, size.gateways, overall) + 1):
            address = _address(link, overall, slot)
            meter_number = len(places) + 1
            places.append(Place(f"{site}-M{meter_number:04d}", meter_number, gateway, link, address))
    return places


def _address(link: Link, gateway: int, slot: int) -> str:
    """A meter's number: its unit on a Modbus line, else one of its own."""
    match link:
        case Link.DIAL_IN | Link.MQTT:
            return f"{_LINE_NUMBER + gateway}{slot:04d}"
        case Link.WATER:
            return f"{_WATER_NUMBER}{_LINE_NUMBER + gateway}{slot:04d}"
        case _:
            return str(slot)


def _gateways(
    site: str, places: list[Place], specs: Mapping[str, MeterSpec], successors: list[MeterSpec]
) -> list[GatewayPlan]:
    links = {place.gateway: place.link for place in places}
    return [
        GatewayPlan(
            gateway,
            site,
            link,
            (
                *(specs[place.meter] for place in places if place.gateway == gateway),
                *(spec for spec in successors if spec.gateway == gateway),
            ),
        )
        for gateway, link in links.items()
    ]


def _rent_out(size: PropertySize, site: str, index: int, places: list[Place], origin_ms: int) -> list[AccountPlan]:
    """Give every place to an account: mostly one, sometimes two or three on different gateways."""
    renting = Renting(size, site, CHARACTERS[index % len(CHARACTERS)], origin_ms)
    groups = _groups(size.seed, site, places)
    hasty = _hasty(size.seed, site, len(groups))
    accounts = []
    for number, group in enumerate(groups, 1):
        account = f"{site}-A{number:04d}"
        if account == DEMO.account and group[0].link is Link.MODBUS_TCP:
            accounts.append(renting.demo_account(group[0]))
        else:
            accounts.append(renting.account(account, group, hasty=number in hasty))
    return accounts


def _groups(seed: int, site: str, places: list[Place]) -> list[list[Place]]:
    """Bring places together that one account rents, ordered by their first meter's number."""
    draw = Seeded(seed, "groups", site)
    order = draw.shuffled(places)
    taken: set[int] = set()
    groups: list[list[Place]] = []
    for start, place in enumerate(order):
        if place.number in taken:
            continue
        wanted = 1 if place.meter == DEMO.meter else draw.weighted(_METERS_AN_ACCOUNT)
        group = [place]
        for other in order[start + 1 :] if wanted > 1 else ():
            if len(group) == wanted:
                break
            free = other.number not in taken and other.meter != DEMO.meter
            if free and all(other.gateway != member.gateway for member in group):
                group.append(other)
        taken.update(member.number for member in group)
        groups.append(sorted(group, key=lambda member: member.number))
    return sorted(groups, key=lambda group: group[0].number)


def _hasty(seed: int, site: str, accounts: int) -> frozenset[int]:
    """Draw the numbers of the accounts whose first recharge is gone within an hour or two."""
    numbers = Seeded(seed, "hasty", site).shuffled(range(2, accounts + 1))
    return frozenset(numbers[: max(1, accounts // _HASTY_SHARE)])
