"""The fields of a template's text, by protocol and section, and what values each takes."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from collectors.wire.template import EVENT_ITEMS, Protocol
from streams.core.conditions import CONDITIONS, Condition
from streams.core.told import BANDS_MAX, INT64_MAX

_READ_MAX = 125
_CJT188_LENGTH_MAX = 0x64
_STATUS_WORDS_MAX = 32
_BIT_MAX = 16 * _STATUS_WORDS_MAX - 1


class Wrong(ValueError):
    """A value that a field does not take.

    Attributes:
        within: Of a table, the name in it whose value is wrong.
    """

    def __init__(self, reason: str, within: str = "") -> None:
        super().__init__(reason)
        self.within = within


Reader = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Field:
    """How a field's value is read, and whether it may be left out."""

    read: Reader
    needed: bool = True


def is_secret(text: object) -> bool:
    """Whether a value is a password (level and three bytes) or an operator's code of DL/T645."""
    return isinstance(text, str) and re.fullmatch("[0-9A-Fa-f]{8}", text) is not None


def _number(low: int, high: int) -> Reader:
    def read(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise Wrong(f"is {value!r}, not a whole number from {low} to {high}")
        return value

    return read


def _one_of(*allowed: int) -> Reader:
    def read(value: Any) -> int:
        if type(value) is not int or value not in allowed:
            raise Wrong(f"is {value!r}, not one of {', '.join(map(str, allowed))}")
        return value

    return read


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Wrong(f"is {value!r}, neither true nor false")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise Wrong(f"is {value!r}, no text")
    return value


def _secret(value: Any) -> str:
    # The value stays out of messages: it may be a true password with a slip of the pen.
    if not is_secret(value):
        raise Wrong("is not 8 hexadecimal digits")
    return str(value)


def _numbers(high: int) -> Reader:
    one = _number(0, high)

    def read(value: Any) -> tuple[int, ...]:
        if not isinstance(value, list) or not value:
            raise Wrong(f"is {value!r}, no list of numbers")
        return tuple(map(one, value))

    return read


def _units(value: Any) -> tuple[tuple[int, int], ...]:
    if not isinstance(value, dict) or not value:
        raise Wrong(f"is {value!r}, no table of units")
    scale = _number(1, INT64_MAX)
    units = []
    for code, each in value.items():
        if not re.fullmatch("[0-9A-Fa-f]{2}", code):
            raise Wrong(f"has {code!r}, which is not two hexadecimal digits")
        units.append((int(code, 16), scale(each)))
    return tuple(units)


def _bits(value: Any) -> tuple[tuple[Condition, tuple[int, ...]], ...]:
    if not isinstance(value, dict) or not value:
        raise Wrong(f"is {value!r}, no table of conditions")
    numbers = _numbers(_BIT_MAX)
    found = []
    for name, each in value.items():
        if name not in CONDITIONS:
            raise Wrong(f"is none of {', '.join(CONDITIONS)}", name)
        try:
            found.append((Condition(name), numbers(each)))
        except Wrong as error:
            raise Wrong(str(error), name) from None
    return tuple(found)


TOP: Final = {"protocol": Field(_text), "meter": Field(_text)}
_WORD: Final = Field(_number(0, 0xFFFF))
_BYTE: Final = Field(_number(0, 0xFF))
_OTHER_BYTE: Final = Field(_number(1, 0xFF), needed=False)
_LENGTH: Final = Field(_number(4, _CJT188_LENGTH_MAX))
_PLACE: Final = Field(_number(0, _CJT188_LENGTH_MAX))
_SCALE: Final = Field(_number(1, INT64_MAX))
_IDENTIFIER: Final = Field(_number(0, 0xFFFF_FFFF))

_BITS: Final = Field(_bits)
_STATUS_WORDS: Final = Field(_number(1, _STATUS_WORDS_MAX))
_FUNCTION: Final = Field(_one_of(3, 4), needed=False)
_READ_SO: Final = {"high_word_first": Field(_flag, needed=False), "function": _FUNCTION}
_IN_WORDS: Final = {"start": _WORD, "words": Field(_number(1, 4)), **_READ_SO}
_IN_BYTES: Final = {"start": _IDENTIFIER, "words": Field(_number(1, 8))}
_IN_ANSWER: Final = {"start": _WORD, "length": _LENGTH, "at": _PLACE}
_VALUE_IN_ANSWER: Final = {**_IN_ANSWER, "words": Field(_number(1, 7))}
_SCALED: Final = {"scale": _SCALE}
_BANDS: Final = {
    "registers": Field(_number(1, BANDS_MAX + 1)),
    "skip": Field(_number(0, BANDS_MAX), needed=False),
    **_SCALED,
}

_Sections = dict[str, dict[str, Field]]


def _sections(top: dict[str, Field], value: dict[str, Field], **others: dict[str, Field]) -> _Sections:
    """The fields of a text and of its items; `value` those of what is one number, but for its scale."""
    money = {**value, **_SCALED}
    counts = dict.fromkeys(("count", *EVENT_ITEMS), value)
    return {"": top, "energy": money, "remaining": money, "overdraft": money, **counts, **others}


FIELDS: Final[dict[Protocol, _Sections]] = {
    "modbus": _sections(
        {},
        _IN_WORDS,
        energy={**_IN_WORDS, **_SCALED, "counts": Field(_number(1, 1_000_000), needed=False)},
        status={"start": _WORD, "words": _STATUS_WORDS, "function": _FUNCTION, "bits": _BITS},
        bands={"start": _WORD, "words": Field(_number(1, 4 * (BANDS_MAX + 1))), **_READ_SO, **_BANDS},
        relay={
            "start": _WORD,
            "words": Field(_number(1, _READ_MAX - 2)),
            "off": Field(_numbers(0xFFFF)),
            "on": Field(_numbers(0xFFFF)),
            "automatic": Field(_number(0, 0xFFFF), needed=False),
        },
    ),
    "dlt645-2007": _sections(
        {},
        _IN_BYTES,
        status={"start": _IDENTIFIER, "words": _STATUS_WORDS, "bits": _BITS},
        bands={"start": _IDENTIFIER, "words": Field(_number(1, 8 * (BANDS_MAX + 1))), **_BANDS},
        clock={"start": _IDENTIFIER, "date": _IDENTIFIER},
        relay={
            "start": _IDENTIFIER,
            "words": Field(_number(1, 8)),
            "off_bit": Field(_number(0, 63)),
            "cut": _BYTE,
            "restore": _BYTE,
            "retain": _OTHER_BYTE,
            "release": _OTHER_BYTE,
            "password": Field(_secret),
            "operator": Field(_secret),
        },
    ),
    "mbus": {"": {}, "energy": {"start": _BYTE}},
    "cjt188": _sections(
        {"meter_type": _BYTE, "low_byte_first": Field(_flag, needed=False)},
        _VALUE_IN_ANSWER,
        energy={**_VALUE_IN_ANSWER, "units": Field(_units)},
        status={**_IN_ANSWER, "words": _STATUS_WORDS, "bits": _BITS},
        bands={**_IN_ANSWER, "words": Field(_number(1, _CJT188_LENGTH_MAX)), **_BANDS},
        clock={
            **_IN_ANSWER,
            "control": Field(_number(0, 0x3F), needed=False),
            "command": Field(_number(1, 0xFFFF), needed=False),
        },
        relay={
            **_IN_ANSWER,
            "words": Field(_number(1, 4)),
            "mask": Field(_number(1, 0xFFFF_FFFF)),
            "off": Field(_numbers(0xFFFF_FFFF)),
            "on": Field(_numbers(0xFFFF_FFFF)),
            "control": Field(_number(0, 0x3F)),
            "command": _WORD,
            "cut": _BYTE,
            "restore": _BYTE,
        },
    ),
}
"""By protocol: the fields of the text itself and of each item."""
