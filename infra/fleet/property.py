"""What a property group is made of: sites, gateways, meters and accounts, as planned."""

from dataclasses import dataclass
from enum import StrEnum

from infra.fleet.errors import FleetError
from infra.fleet.fault import NO_FAULT, Fault
from infra.fleet.load import HOUR_MS
from infra.fleet.meter import MeterSpec
from infra.fleet.tariffs import TARIFF_FLAT, Tariff
from infra.fleet.tenants import Trade

MODBUS_UNITS = 247
"""Units 1 to 247 on a Modbus gateway; 0 is the gateway itself."""
SITE_GATEWAYS = 99
"""Two digits count a site's gateways, so that no registration text begins with another one."""


FLEET_TEMPLATES = ("ddsy1352", "dtsy1352", "dlt645-2007")
"""The kinds of meters in the group, as long as its links are `DEMO_LINKS`."""


class Link(StrEnum):
    """How a gateway and the collector come together, and what is spoken behind it."""

    MODBUS_TCP = "modbus-tcp"
    """Called; Acrel meters by Modbus TCP."""
    DIAL_IN = "dial-in"
    """Calls; DL/T645-2007 meters."""
    RTU = "rtu"
    """Called; Acrel meters by Modbus RTU on a serial server."""
    WATER = "water"
    """Calls; water meters with valves by CJ/T188."""
    MBUS = "mbus"
    """Called; water meters without valves by M-Bus behind a level converter."""
    ACREL_4G = "acrel-4g"
    """Calls; Acrel meters by Modbus RTU in Acrel's frames."""
    HTTP = "http"
    """Reads its meters itself and uploads numbers by HTTP."""
    MQTT = "mqtt"
    """Reads its meters itself and uploads their DL/T645 frames by MQTT."""

    @property
    def uploads(self) -> bool:
        """Whether its rounds come by themselves, so that the registry has no such gateway."""
        return self in (Link.HTTP, Link.MQTT)

    @property
    def is_called(self) -> bool:
        """Whether the collector calls it, rather than the other way round."""
        return self in (Link.MODBUS_TCP, Link.RTU, Link.MBUS)

    @property
    def is_commanded(self) -> bool:
        """Whether the collector can cut and restore behind it."""
        return not self.uploads and self is not Link.MBUS


DEMO_LINKS = (Link.MODBUS_TCP, Link.DIAL_IN)


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """The account that runs out first: what the demo shows of it, in one place."""

    site: str = "S1"
    gateway: str = "S1-G01"
    account: str = "S1-A0001"
    meter: str = "S1-M0001"
    address: str = "1"
    template: str = "ddsy1352"
    tariff: Tariff = TARIFF_FLAT
    price: str = "0.80"
    power_w: int = 3_000
    first_recharge: str = "0.20"
    """At 0.80 yuan/kWh and 3 kW: a quarter of a kWh, five virtual minutes."""


DEMO = DemoAccount()


@dataclass(frozen=True, slots=True)
class PropertySize:
    """How large the group is, what there is of it, and the seed that it is drawn from.

    Attributes:
        links: Of its gateways, which take them in turn.
        faults: What goes wrong.
        hours: From the beginning, virtual; then tenants draw nothing more and nothing goes wrong. 0: that never comes.
    Raises:
        FleetError: The sizes do not fit together.
    """

    sites: int = 3
    gateways: int = 20
    meters: int = 1_000
    seed: int = 1
    links: tuple[Link, ...] = DEMO_LINKS
    faults: frozenset[Fault] = NO_FAULT
    hours: int = 0

    def __post_init__(self) -> None:
        if not self.links:
            raise FleetError("a property group has at least one link")
        if not 1 <= self.sites <= self.gateways <= self.meters:
            raise FleetError(
                "a property group has at least one site, a gateway a site and a meter a gateway;"
                f" got {self.sites} sites, {self.gateways} gateways, {self.meters} meters"
            )
        if self.gateways > SITE_GATEWAYS * self.sites:
            raise FleetError(f"{self.gateways} gateways are more than {SITE_GATEWAYS} a site; take more sites")
        if self.meters > MODBUS_UNITS * self.gateways:
            raise FleetError(f"{self.meters} meters are more than {MODBUS_UNITS} a gateway; take more gateways")

    def still_from_ms(self, origin_ms: int) -> int | None:
        """When tenants stop drawing and faults end; None for never."""
        return origin_ms + self.hours * HOUR_MS if self.hours else None


@dataclass(frozen=True, slots=True)
class GatewayPlan:
    """A gateway and the meters on its line, those that take another's place one day among them."""

    gateway: str
    site: str
    link: Link
    meters: tuple[MeterSpec, ...]

    @property
    def registration(self) -> str:
        """The text by which a gateway that calls tells who it is."""
        return f"SLUICE-{self.gateway}"


@dataclass(frozen=True, slots=True)
class Swap:
    """A meter that is taken off its line, and the one that is fitted in its place."""

    at_ms: int
    meter: str
    successor: str


@dataclass(frozen=True, slots=True)
class AccountPlan:
    """An account, its meters and how it starts.

    Attributes:
        first_recharge_fen: In hundredths of a yuan.
        overdraft: Yuan, where the account may owe more than its site's policy allows.
    """

    account: str
    site: str
    trade: Trade
    tariff: Tariff
    meters: tuple[MeterSpec, ...]
    first_recharge_fen: int
    overdraft: str | None = None


@dataclass(frozen=True, slots=True)
class Property:
    """The group as laid out; sites, gateways, accounts and meters in the order of their numbers."""

    size: PropertySize
    origin_ms: int
    sites: tuple[str, ...]
    gateways: tuple[GatewayPlan, ...]
    accounts: tuple[AccountPlan, ...]
    swaps: tuple[Swap, ...] = ()

    @property
    def meters(self) -> tuple[MeterSpec, ...]:
        """All meters, spare ones too."""
        return tuple(meter for gateway in self.gateways for meter in gateway.meters)
