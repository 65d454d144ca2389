"""The text of a template: TOML that is checked field by field, so that all its faults are told at once."""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from collectors.wire.binary_fraction import HIGHEST
from collectors.wire.template import PROTOCOLS, Protocol, RegisterItem, RelayItem, Template

_INT64_MAX = (1 << 63) - 1
_READ_MAX = 125
_CJT188_LENGTH_MAX = 0x64


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


class _Wrong(ValueError):
    """A value that a field does not take."""


Reader = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _Field:
    """How a field's value is read, and whether it may be left out."""

    read: Reader
    needed: bool = True


def is_secret(text: object) -> bool:
    """Whether a value is a password (level and three bytes) or an operator's code of DL/T645."""
    return isinstance(text, str) and re.fullmatch("[0-9A-Fa-f]{8}", text) is not None


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

    def template(self, name: str, found: dict[str, Any]) -> Template | None:
        """The template; None, with the faults, where there is none."""
        protocol: Protocol | None = found.get("protocol")
        if protocol not in PROTOCOLS:
            told = f"{protocol!r} is not known, only {', '.join(PROTOCOLS)}" if protocol is not None else "is missing"
            self._fault("protocol", told)
            return None
        top, energy, relay = _FIELDS[protocol]
        values = self._section("", found, {**_TOP, **top})
        items: dict[str, Any] = {}
        for section, fields in (("energy", energy), ("relay", relay)):
            given = found.get(section)
            if isinstance(given, dict):
                items[section] = self._section(f"{section}.", given, fields)
            elif given is not None or section == "energy":
                self._fault(section, "is missing" if given is None else "is no table")
        if self.faults:
            return None
        register = RegisterItem(**items["energy"])
        control = RelayItem(**items["relay"]) if "relay" in items else None
        for field, reason in _together(protocol, register, control):
            self._fault(field, reason)
        values.pop("protocol")
        return Template(name=name, protocol=protocol, energy=register, relay=control, **values)

    def _section(self, path: str, given: Mapping[str, Any], fields: Mapping[str, _Field]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, value in given.items():
            if key not in fields:
                if path or key not in ("energy", "relay"):
                    self._fault(path + key, "is not known here")
                continue
            try:
                values[key] = fields[key].read(value)
            except _Wrong as error:
                self._fault(path + key, str(error))
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


def _number(low: int, high: int) -> Reader:
    def read(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise _Wrong(f"is {value!r}, not a whole number from {low} to {high}")
        return value

    return read


def _one_of(*allowed: int) -> Reader:
    def read(value: Any) -> int:
        if type(value) is not int or value not in allowed:
            raise _Wrong(f"is {value!r}, not one of {', '.join(map(str, allowed))}")
        return value

    return read


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Wrong(f"is {value!r}, neither true nor false")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise _Wrong(f"is {value!r}, no text")
    return value


def _secret(value: Any) -> str:
    # The value stays out of messages: it may be a true password with a slip of the pen.
    if not is_secret(value):
        raise _Wrong("is not 8 hexadecimal digits")
    return str(value)


def _numbers(high: int) -> Reader:
    one = _number(0, high)

    def read(value: Any) -> tuple[int, ...]:
        if not isinstance(value, list) or not value:
            raise _Wrong(f"is {value!r}, no list of numbers")
        return tuple(map(one, value))

    return read


def _units(value: Any) -> tuple[tuple[int, int], ...]:
    if not isinstance(value, dict) or not value:
        raise _Wrong(f"is {value!r}, no table of units")
    scale = _number(1, _INT64_MAX)
    units = []
    for code, each in value.items():
        if not re.fullmatch("[0-9A-Fa-f]{2}", code):
            raise _Wrong(f"has {code!r}, which is not two hexadecimal digits")
        units.append((int(code, 16), scale(each)))
    return tuple(units)


_TOP: Final = {"protocol": _Field(_text), "meter": _Field(_text)}
_WORD: Final = _Field(_number(0, 0xFFFF))
_BYTE: Final = _Field(_number(0, 0xFF))
_LENGTH: Final = _Field(_number(4, _CJT188_LENGTH_MAX))
_PLACE: Final = _Field(_number(0, _CJT188_LENGTH_MAX))
_SCALE: Final = _Field(_number(1, _INT64_MAX))
_IDENTIFIER: Final = _Field(_number(0, 0xFFFF_FFFF))

_FIELDS: Final[dict[Protocol, tuple[dict[str, _Field], dict[str, _Field], dict[str, _Field]]]] = {
    "modbus": (
        {},
        {
            "start": _WORD,
            "words": _Field(_number(1, 4)),
            "scale": _SCALE,
            "high_word_first": _Field(_flag, needed=False),
            "function": _Field(_one_of(3, 4), needed=False),
            "counts": _Field(_number(1, 1_000_000), needed=False),
        },
        {
            "start": _WORD,
            "words": _Field(_number(1, _READ_MAX - 2)),
            "off": _Field(_numbers(0xFFFF)),
            "on": _Field(_numbers(0xFFFF)),
            "automatic": _Field(_number(0, 0xFFFF), needed=False),
        },
    ),
    "dlt645-2007": (
        {},
        {"start": _IDENTIFIER, "words": _Field(_number(1, 8)), "scale": _SCALE},
        {
            "start": _IDENTIFIER,
            "words": _Field(_number(1, 8)),
            "off_bit": _Field(_number(0, 63)),
            "cut": _BYTE,
            "restore": _BYTE,
            "password": _Field(_secret),
            "operator": _Field(_secret),
        },
    ),
    "cjt188": (
        {"meter_type": _BYTE, "low_byte_first": _Field(_flag, needed=False)},
        {
            "start": _WORD,
            "length": _LENGTH,
            "at": _PLACE,
            "words": _Field(_number(1, 7)),
            "units": _Field(_units),
        },
        {
            "start": _WORD,
            "length": _LENGTH,
            "at": _PLACE,
            "words": _Field(_number(1, 4)),
            "mask": _Field(_number(1, 0xFFFF_FFFF)),
            "off": _Field(_numbers(0xFFFF_FFFF)),
            "on": _Field(_numbers(0xFFFF_FFFF)),
            "control": _Field(_number(0, 0x3F)),
            "command": _WORD,
            "cut": _BYTE,
            "restore": _BYTE,
        },
    ),
}
"""By protocol: the fields of the text itself, of `[energy]` and of `[relay]`."""


def _together(protocol: Protocol, energy: RegisterItem, relay: RelayItem | None) -> Iterator[tuple[str, str]]:
    """Fields that are good by themselves but do not fit each other, and why."""
    if protocol == "modbus" and energy.counts and energy.words != 2:
        yield "energy.words", "is 2 where `counts` says that the words are a binary fraction"
    highest = _highest(protocol, energy)
    if highest > _INT64_MAX:
        yield "energy.words", f"with its scale goes up to {highest}, beyond 64 bits"
    if protocol == "cjt188" and energy.at + energy.words + 1 > energy.length - 3:
        yield "energy.at", "with words and the unit behind them ends behind the answer of `length`"
    if relay is not None:
        yield from _relay_together(protocol, relay)


def _highest(protocol: Protocol, energy: RegisterItem) -> int:
    """The highest running total that the item can tell; of a binary fraction, what is accepted of it."""
    if protocol == "modbus":
        return (HIGHEST if energy.counts else (1 << 16 * energy.words) - 1) * energy.scale
    scale = max((scale for _, scale in energy.units), default=energy.scale)
    highest: int = 10 ** (2 * energy.words) - 1
    return highest * scale


def _relay_together(protocol: Protocol, relay: RelayItem) -> Iterator[tuple[str, str]]:
    if protocol == "modbus":
        for name, words in (("off", relay.off), ("on", relay.on)):
            if len(words) != relay.words:
                yield f"relay.{name}", f"has {len(words)} words, `words` says {relay.words}"
    if protocol == "dlt645-2007" and relay.off_bit >= 8 * relay.words:
        yield "relay.off_bit", f"is not within {relay.words} bytes"
    if protocol == "cjt188" and relay.at + relay.words > relay.length - 3:
        yield "relay.at", "with words ends behind the answer of `length`"
    if protocol == "cjt188" and any(value & ~relay.mask for value in (*relay.off, *relay.on)):
        yield "relay.mask", "leaves out bits that `off` and `on` have"
    if protocol == "cjt188" and set(relay.off) & set(relay.on):
        yield "relay.off", "has a value that `on` has too"
    if protocol == "modbus" and relay.off == relay.on:
        yield "relay.off", "is the same as `on`"
    if protocol == "modbus" and relay.automatic is not None and relay.off[:1] == (relay.automatic,):
        yield "relay.automatic", "is the first word of `off`, so that nothing would mean off"
    if protocol != "modbus" and relay.cut == relay.restore:
        yield "relay.cut", "is the same as `restore`"
