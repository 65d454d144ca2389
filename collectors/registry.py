"""The registry of gateways and meters: `registry.json` in the data directory, written by an operator or the fleet.

{"dial_in": {"host": "0.0.0.0", "port": 7001},
 "sites": [{"site": "S1", "gateways": [
    {"gateway": "S1-G01", "link": "modbus-tcp", "host": "10.1.0.5", "port": 502,
     "meters": [{"meter": "S1-M0001", "address": "17", "template": "ddsy1352"}]},
    {"gateway": "S1-G02", "link": "dial-in", "registration": "SLUICE-S1-G02", "password": "02563412",
     "meters": [...]}]}]}

Links and what they speak: `modbus-tcp` is called and speaks Modbus TCP; `tcp` is called and hands the bytes of a serial
bus through (Modbus RTU, DL/T645, CJ/T188); `dial-in` does the same and calls itself; `acrel-4g` calls itself and passes
Modbus RTU in frames of its own.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import msgspec

from collectors.wire import acrel4g
from collectors.wire.template import PROTOCOLS, Protocol, Template
from collectors.wire.template_fields import is_secret
from collectors.wire.templates import TEMPLATES

REGISTRY_FILE = "registry.json"

USERS_MAX: Final = 247
"""Of one box of meters: as many as a bus has addresses."""

Link = Literal["modbus-tcp", "tcp", "dial-in", "acrel-4g"]

_NAME_BYTES_MAX: Final = 255
"""A round has one byte for the length of a name."""
_POLLED: Final[frozenset[Link]] = frozenset({"modbus-tcp", "tcp"})
_SPOKEN: Final[dict[Link, tuple[Protocol, ...]]] = {
    "modbus-tcp": ("modbus",),
    "tcp": PROTOCOLS,
    "dial-in": PROTOCOLS,
    "acrel-4g": ("modbus",),
}
_ADDRESSES: Final[dict[Protocol, tuple[int, int, int]]] = {
    "modbus": (1, 247, 12),
    "dlt645-2007": (0, 999_999_999_998, 12),
    "cjt188": (0, 99_999_999_999_998, 14),
    "mbus": (1, 250, 3),
}
"""Lowest and highest address and how many digits it has. The numbers beyond are those of broadcasts: a command to one
would be for all meters of the line."""


class RegistryError(ValueError):
    """A registry that cannot be used; the message names the place."""


@dataclass(frozen=True, slots=True)
class MeterOnLine:
    """A meter behind a gateway.

    Attributes:
        address: Its number there.
        template: That of its kind, with the password and the operator of this very meter.
    """

    meter: str
    address: int
    template: Template


@dataclass(frozen=True, slots=True)
class GatewayPlan:
    """A gateway, how it is reached, and its meters."""

    site: str
    gateway: str
    link: Link
    host: str
    port: int
    registration: str
    meters: tuple[MeterOnLine, ...]

    @property
    def is_polled(self) -> bool:
        """Whether the collector calls it, rather than the other way round."""
        return self.link in _POLLED


@dataclass(frozen=True, slots=True)
class Registry:
    """All gateways, and where those that dial in find the collector."""

    dial_in_host: str
    dial_in_port: int
    gateways: tuple[GatewayPlan, ...]


class _Meter(msgspec.Struct, forbid_unknown_fields=True):
    meter: str
    address: str
    template: str
    users: int | None = None
    step: int = 1
    password: str | None = None
    operator: str | None = None


class _Gateway(msgspec.Struct, forbid_unknown_fields=True):
    gateway: str
    link: Link
    meters: list[_Meter]
    host: str = ""
    port: int = 0
    registration: str = ""
    password: str | None = None
    operator: str | None = None


class _Site(msgspec.Struct, forbid_unknown_fields=True):
    site: str
    gateways: list[_Gateway]


class _DialIn(msgspec.Struct, forbid_unknown_fields=True):
    host: str = "127.0.0.1"
    port: int = 0


class _File(msgspec.Struct, forbid_unknown_fields=True):
    sites: list[_Site]
    dial_in: _DialIn = msgspec.field(default_factory=_DialIn)


def read_registry(path: Path) -> Registry:
    """Read and check a registry.

    Raises:
        RegistryError: The file is missing, no JSON, or something in it is wrong; says where.
    """
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_File)
    except FileNotFoundError:
        raise RegistryError(f"{path} is missing: it names the gateways to collect from") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, OSError) as error:
        raise RegistryError(f"{path}: {error}") from error
    gateways = tuple(_plan(site.site, gateway) for site in file.sites for gateway in site.gateways)
    _check_once("gateway", [plan.gateway for plan in gateways])
    _check_once("meter", [meter.meter for plan in gateways for meter in plan.meters])
    _check_once("registration", [plan.registration for plan in gateways if not plan.is_polled])
    return Registry(file.dial_in.host, file.dial_in.port, gateways)


def _plan(site: str, entry: _Gateway) -> GatewayPlan:
    place = f"site {site}, gateway {entry.gateway}"
    for what, name in (("site", site), ("gateway", entry.gateway)):
        if not 1 <= len(name.encode()) <= _NAME_BYTES_MAX:
            raise RegistryError(f"{place[:80]}: the name of a {what} has 1 to {_NAME_BYTES_MAX} bytes")
    if entry.link in _POLLED:
        if not (entry.host and 0 < entry.port < 65536):
            raise RegistryError(f"{place}: a {entry.link} gateway needs host and port")
    elif not (entry.registration and entry.registration.isascii() and entry.registration.isprintable()):
        raise RegistryError(f"{place}: a {entry.link} gateway needs its registration text, in printable ASCII")
    if entry.link == "dial-in" and entry.registration.encode("ascii").startswith(acrel4g.START):
        raise RegistryError(f"{place}: a registration text does not begin with {{{{, as frames of acrel-4g do")
    if entry.link == "acrel-4g" and len(entry.registration) > acrel4g.SERIAL_SIZE:
        raise RegistryError(f"{place}: registration is the meter's serial number, of {acrel4g.SERIAL_SIZE} at most")
    meters = tuple(_meter(place, entry, meter) for box in entry.meters for meter in _users(place, box))
    if len({meter.address for meter in meters}) < len(meters):
        raise RegistryError(f"{place}: two meters have one address")
    return GatewayPlan(site, entry.gateway, entry.link, entry.host, entry.port, entry.registration, meters)


def _users(place: str, entry: _Meter) -> list[_Meter]:
    """The meters of a box with one for each user, at addresses `step` apart; a single meter is itself."""
    if entry.users is None:
        return [entry]
    if not (1 <= entry.users <= USERS_MAX and 1 <= entry.step <= USERS_MAX):
        raise RegistryError(f"{place}, meter {entry.meter}: users and step are numbers from 1 to {USERS_MAX}")
    if not (entry.address.isascii() and entry.address.isdigit()):
        raise RegistryError(f"{place}, meter {entry.meter}: address {entry.address!r} is no number")
    first = int(entry.address)
    return [
        msgspec.structs.replace(
            entry, meter=f"{entry.meter}-{number + 1:02d}", address=str(first + number * entry.step), users=None
        )
        for number in range(entry.users)
    ]


def _meter(place: str, gateway: _Gateway, entry: _Meter) -> MeterOnLine:
    link = gateway.link
    place = f"{place}, meter {entry.meter}"
    template = TEMPLATES.get(entry.template)
    if template is None:
        raise RegistryError(f"{place}: template {entry.template!r} is not one of {', '.join(TEMPLATES)}")
    if template.protocol not in _SPOKEN[link]:
        raise RegistryError(f"{place}: template {entry.template} speaks {template.protocol}, the link is {link}")
    first, last, digits_max = _ADDRESSES[template.protocol]
    digits = entry.address.isascii() and entry.address.isdigit() and len(entry.address) <= digits_max
    if not (digits and first <= int(entry.address) <= last):
        raise RegistryError(f"{place}: address {entry.address!r} is no number from {first} to {last}")
    return MeterOnLine(entry.meter, int(entry.address), _with_secrets(place, template, gateway, entry))


def _with_secrets(place: str, template: Template, gateway: _Gateway, entry: _Meter) -> Template:
    """A meter's template with the password and the operator that are the meter's own, or its gateway's."""
    password = gateway.password if entry.password is None else entry.password
    operator = gateway.operator if entry.operator is None else entry.operator
    for name, value in (("password", password), ("operator", operator)):
        if value is not None and template.protocol != "dlt645-2007":
            raise RegistryError(f"{place}: {name} is for meters by DL/T645, {template.name} knows none")
        if value is not None and not is_secret(value):
            # The value stays out of logs: it may be a true password with a slip of the pen.
            raise RegistryError(f"{place}: {name} is not 8 hexadecimal digits")
    if password is None and operator is None:
        return template
    relay = template.relay
    if relay is None:
        raise RegistryError(f"{place}: password and operator are for relays, {template.name} has none")
    own = replace(
        relay,
        password=relay.password if password is None else password,
        operator=relay.operator if operator is None else operator,
    )
    return replace(template, relay=own)


def _check_once(what: str, names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise RegistryError(f"{what} {name} is there twice")
        seen.add(name)
