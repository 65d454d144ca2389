"""Device templates: what a kind of meter is asked, and how its answers and its control are laid out.

A template is a data file in `templates/`, or in the folder of that name in the data directory. Items of protocol
`modbus-tcp` read holding registers, those of `dlt645-2007` a data identifier.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, TypeVar

import msgspec

TEMPLATES_FOLDER: Final = "templates"
"""In the data directory: the operator's own."""

ItemT = TypeVar("ItemT", "RegisterItem", "RelayItem")

Protocol = Literal["modbus-tcp", "dlt645-2007"]


class TemplateError(ValueError):
    """A template that cannot be used; says which file and field."""


@dataclass(frozen=True, slots=True)
class RegisterItem:
    """The item `energy`: the meter's running total.

    On Modbus `start` and `words` are the register and its count of words, high word first if so said; on DL/T645
    `start` is the data identifier and `words` the bytes of BCD. A raw 1 is `scale` Wh (or litres).
    """

    start: int
    words: int
    scale: int
    high_word_first: bool = True


@dataclass(frozen=True, slots=True)
class RelayItem:
    """The item `relay`: where supply is read back, and how it is commanded.

    On Modbus the block of `words` words from `start` is read and written; supply is off where the words equal `off`,
    and on where they equal `on` or where the first is `automatic`: nobody forces the meter, so a cut that was ordered
    has not come through and is to be sent again. On DL/T645 bit `off_bit` of the status word `start` is set
    where the relay is open; `cut` and `restore` are the command bytes N1 of control code 1C.
    """

    start: int
    words: int
    off: tuple[int, ...] = ()
    on: tuple[int, ...] = ()
    automatic: int | None = None
    off_bit: int = 0
    cut: int = 0
    restore: int = 0
    password: str = ""
    operator: str = ""


@dataclass(frozen=True, slots=True)
class Template:
    """One kind of meter."""

    name: str
    protocol: Protocol
    meter: str
    """What it is, for people."""
    energy: RegisterItem
    relay: RelayItem


def read_template(name: str, text: str) -> Template:
    """The template that a file's text holds.

    Raises:
        TemplateError: A field is missing, of the wrong type or unknown.
    """
    try:
        found = tomllib.loads(text)
        protocol = found["protocol"]
        if protocol not in ("modbus-tcp", "dlt645-2007"):
            raise TemplateError(f"template {name}: protocol {protocol!r} is not known")
        energy, relay = _item(RegisterItem, found["energy"]), _item(RelayItem, found["relay"])
        if energy.words < 1 or energy.scale < 1 or relay.words < 1:
            raise TypeError("words and scale are at least 1")
        if protocol == "dlt645-2007" and not (is_secret(relay.password) and is_secret(relay.operator)):
            raise TypeError("password and operator of [relay] are 8 hexadecimal digits")
        return Template(name, protocol, str(found["meter"]), energy, relay)
    except (KeyError, TypeError, msgspec.ValidationError, tomllib.TOMLDecodeError) as error:
        raise TemplateError(f"template {name}: {_explained(error)}") from error


def is_secret(text: str) -> bool:
    """Whether a text is a password (level and three bytes) or an operator's code of DL/T645."""
    return re.fullmatch("[0-9A-Fa-f]{8}", text) is not None


def _item(kind: type[ItemT], given: dict[str, Any]) -> ItemT:
    unknown = set(given) - {field.name for field in fields(kind)}
    if unknown:
        raise TypeError(f"field {', '.join(sorted(unknown))} is not known")
    return msgspec.convert(given, kind)


def _explained(error: Exception) -> str:
    return f"field {error} is missing" if isinstance(error, KeyError) else str(error)


def _read_all(folder: Any) -> dict[str, Template]:
    """The templates of a folder, one a file and called as it, by name."""
    found = sorted(
        (entry for entry in folder.iterdir() if entry.name.endswith(".toml")), key=lambda entry: str(entry.name)
    )
    templates = [read_template(entry.name.removesuffix(".toml"), entry.read_text("utf-8")) for entry in found]
    return {template.name: template for template in templates}


_SHIPPED_FOLDER: Any = files("collectors.wire") / "templates"
_SHIPPED = _read_all(_SHIPPED_FOLDER)
_KNOWN = dict(_SHIPPED)

TEMPLATES: Final[Mapping[str, Template]] = MappingProxyType(_KNOWN)
"""The templates that this process knows, by name: those that come with Sluice and those of `load_templates`."""


def load_templates(folder: Path) -> None:
    """Know the templates of a folder, which need not be there, beside those that come with Sluice.

    For the start of a process: what frames mean must not change under it.

    Raises:
        TemplateError: One cannot be used, or is called as one that comes with Sluice; then none is taken.
    """
    try:
        found = _read_all(folder) if folder.is_dir() else {}
    except TemplateError as error:
        raise TemplateError(f"{folder}: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise TemplateError(f"{folder} cannot be read: {error}") from error
    for name in found:
        if name in _SHIPPED:
            file = f"{name}.toml"
            raise TemplateError(f"{folder / file} is called as {_SHIPPED_FOLDER / file}, which comes with Sluice")
        if not (name.isascii() and 0 < len(name) <= 255):
            raise TemplateError(f"{folder}: {name!r} is no name for a template: 1 to 255 characters of ASCII")
    for name in _KNOWN.keys() - _SHIPPED.keys() - found.keys():
        del _KNOWN[name]
    _KNOWN.update(found)
