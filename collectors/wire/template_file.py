"""The text of a template: TOML that is checked field by field, so that all its faults are told at once."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from collectors.wire.template import (
    ITEMS,
    PROTOCOLS,
    AnyItem,
    BandsItem,
    ClockItem,
    Protocol,
    RegisterItem,
    RelayItem,
    StatusItem,
    Template,
)
from collectors.wire.template_fields import FIELDS, TOP, Field, Wrong
from collectors.wire.template_fit import misfits

_KINDS: Final[dict[str, type[AnyItem | ClockItem]]] = {
    "bands": BandsItem,
    "relay": RelayItem,
    "status": StatusItem,
    "clock": ClockItem,
}
"""By name, what a section is that is not one number."""
_SECTIONS: Final = (*ITEMS, "clock")


@dataclass(frozen=True, slots=True, order=True)
class TemplateFault:
    """What is wrong with one field.

    Attributes:
        line: Of the text, from 1; that of the section where the field is missing.
        field: Such as `energy.words`; empty for the whole text.
    """

    line: int
    field: str
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.field} {self.reason}" if self.field else f"line {self.line}: {self.reason}"


class TemplateError(ValueError):
    """A template that cannot be used; says which file, line and field.

    Attributes:
        faults: All that is wrong with it, by line; none where it is not the text that is wrong.
    """

    def __init__(self, message: str, faults: tuple[TemplateFault, ...] = ()) -> None:
        super().__init__(message)
        self.faults = faults


def read_template(name: str, text: str) -> Template:
    """The template that a file's text holds.

    Raises:
        TemplateError: Something is missing, of the wrong type, out of its range or unknown; tells all of it.
    """
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        fault = TemplateFault(_line_in(str(error)), "", f"is no TOML: {error}")
        raise TemplateError(f"template {name}: {fault}", (fault,)) from error
    reading = _Reading(text)
    template = reading.template(name, found)
    if template is None or reading.faults:
        faults = tuple(sorted(reading.faults))
        raise TemplateError(f"template {name}: {'; '.join(map(str, faults))}", faults)
    return template


class _Reading:
    """One text being read, and what was found wrong with it."""

    def __init__(self, text: str) -> None:
        self._lines = dict(_places(text))
        self.faults: list[TemplateFault] = []

    def template(self, name_of: str, found: dict[str, Any]) -> Template | None:
        """The template; None, with the faults, where there is none."""
        protocol: Protocol | None = found.get("protocol")
        if protocol not in PROTOCOLS:
            told = f"{protocol!r} is not known, only {', '.join(PROTOCOLS)}" if protocol is not None else "is missing"
            self._fault("protocol", told)
            return None
        sections = FIELDS[protocol]
        values = self._section("", found, {**TOP, **sections[""]})
        values.pop("protocol", None)
        given: dict[str, dict[str, Any]] = {}
        for name in _SECTIONS:
            section = found.get(name)
            if name not in sections:
                if section is not None:
                    self._fault(name, f"is not known of {protocol}")
            elif isinstance(section, dict):
                given[name] = self._section(f"{name}.", section, sections[name])
            elif section is not None or name == "energy":
                self._fault(name, "is missing" if section is None else "is no table")
        if self.faults:
            return None
        items: dict[str, Any] = {name: _KINDS.get(name, RegisterItem)(**fields) for name, fields in given.items()}
        for field, reason in misfits(protocol, items):
            self._fault(field, reason)
        return Template(name=name_of, protocol=protocol, **values, **items)

    def _section(self, path: str, given: Mapping[str, Any], fields: Mapping[str, Field]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, value in given.items():
            if key not in fields:
                if path or key not in _SECTIONS:
                    self._fault(path + key, "is not known here")
                continue
            try:
                values[key] = fields[key].read(value)
            except Wrong as error:
                self._fault(f"{path}{key}.{error.within}" if error.within else path + key, str(error))
        for key, field in fields.items():
            if field.needed and key not in given:
                self._fault(path + key, "is missing")
        return values

    def _fault(self, field: str, reason: str) -> None:
        line = self._lines.get(field) or self._lines.get(field.rpartition(".")[0]) or 1
        self.faults.append(TemplateFault(line, field, reason))


def _places(text: str) -> Iterator[tuple[str, int]]:
    """Each field and section of a text and its line; the plain forms of TOML that templates use."""
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        if head := re.match(r"\s*\[\s*([^\[\]]+?)\s*\]", line):
            section = head[1] + "."
            yield head[1], number
        elif key := re.match(r"\s*([\w.-]+)\s*=", line):
            yield section + key[1], number


def _line_in(message: str) -> int:
    """The line that the TOML reader names; the last one has no number of its own."""
    found = re.search(r"at line (\d+)", message)
    return int(found[1]) if found else 1
