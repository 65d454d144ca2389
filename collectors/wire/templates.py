"""Device templates: what a kind of meter is asked, and how its answers and its control are laid out.

A template is a data file in `templates/`. Items of protocol `modbus-tcp` read holding registers, those of `dlt645-2007`
a data identifier.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Literal

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
        fields = tomllib.loads(text)
        protocol = fields["protocol"]
        if protocol not in ("modbus-tcp", "dlt645-2007"):
            raise TemplateError(f"template {name}: protocol {protocol!r} is not known")
        relay = dict(fields["relay"])
        for words in ("off", "on"):
            relay[words] = tuple(relay.get(words, ()))
        return Template(name, protocol, fields["meter"], RegisterItem(**fields["energy"]), RelayItem(**relay))
    except (KeyError, TypeError, tomllib.TOMLDecodeError) as error:
        raise TemplateError(f"template {name}: {_explained(error)}") from error


def _explained(error: Exception) -> str:
    return f"field {error} is missing" if isinstance(error, KeyError) else str(error)


def _shipped() -> Mapping[str, Template]:
    folder: Any = files("collectors.wire") / "templates"
    found = sorted(
        (entry for entry in folder.iterdir() if entry.name.endswith(".toml")), key=lambda entry: str(entry.name)
    )
    templates = [read_template(entry.name.removesuffix(".toml"), entry.read_text("utf-8")) for entry in found]
    return MappingProxyType({template.name: template for template in templates})


TEMPLATES: Mapping[str, Template] = _shipped()
"""The templates that come with Sluice, by name."""
