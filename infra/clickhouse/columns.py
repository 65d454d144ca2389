"""The layout of columns in the Native format, as far as it is needed to find where a column ends.

The server never turns values into Python objects: it walks over a column's bytes by its type and hands them
on.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from infra.clickhouse.errors import Code, ServerError, server_error
from infra.clickhouse.reader import WireReader

_NESTING_LIMIT = 64

_SIZES = {
    "Nothing": 1,
    "Bool": 1,
    "Enum8": 1,
    "Enum16": 2,
    "Date": 2,
    "Date32": 4,
    "DateTime": 4,
    "DateTime64": 8,
    "Time": 4,
    "Time64": 8,
    "UUID": 16,
    "IPv4": 4,
    "IPv6": 16,
    "BFloat16": 2,
    "Float32": 4,
    "Float64": 8,
    "Decimal32": 4,
    "Decimal64": 8,
    "Decimal128": 16,
    "Decimal256": 32,
    **{f"{sign}Int{bits}": bits // 8 for sign in ("", "U") for bits in (8, 16, 32, 64, 128, 256)},
}

_ALIASES = {
    "Point": "Tuple(Float64, Float64)",
    "Ring": "Array(Point)",
    "LineString": "Array(Point)",
    "MultiLineString": "Array(LineString)",
    "Polygon": "Array(Ring)",
    "MultiPolygon": "Array(Polygon)",
}

_DECIMAL_SIZES = ((9, 4), (18, 8), (38, 16), (76, 32))

_NAMED_ELEMENT = re.compile(r"(?:`(?:[^`\\]|\\.)*`|[A-Za-z_]\w*)\s+(?=[A-Z])(.+)", re.DOTALL)

# Flags in front of a dictionary-coded column: the low byte is the width of its keys.
_KEY_WIDTH = 0xFF
_ADDITIONAL_KEYS = 1 << 9


class ColumnType(Protocol):
    """How to walk over a column of one type."""

    def skip_prefix(self, reader: WireReader) -> None:
        """Walk over what comes once in front of a column's rows."""

    def skip(self, reader: WireReader, rows: int) -> None:
        """Walk over `rows` values."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """Values of `size` bytes."""

    size: int

    def skip_prefix(self, reader: WireReader) -> None:
        """Nothing comes in front."""

    def skip(self, reader: WireReader, rows: int) -> None:
        """One value after the other."""
        reader.skip(rows * self.size)


@dataclass(frozen=True, slots=True)
class Text:
    """Texts of any length."""

    def skip_prefix(self, reader: WireReader) -> None:
        """Nothing comes in front."""

    def skip(self, reader: WireReader, rows: int) -> None:
        """Each with its length."""
        reader.skip_texts(rows)


@dataclass(frozen=True, slots=True)
class Nullable:
    """A byte a row tells the nulls, then come values for all rows."""

    inner: ColumnType

    def skip_prefix(self, reader: WireReader) -> None:
        """That of the values."""
        self.inner.skip_prefix(reader)

    def skip(self, reader: WireReader, rows: int) -> None:
        """Map of nulls, values."""
        reader.skip(rows)
        self.inner.skip(reader, rows)


@dataclass(frozen=True, slots=True)
class Array:
    """Each row's end as a 64-bit number, then the elements of all rows."""

    inner: ColumnType

    def skip_prefix(self, reader: WireReader) -> None:
        """That of the elements."""
        self.inner.skip_prefix(reader)

    def skip(self, reader: WireReader, rows: int) -> None:
        """Ends, elements; the last end is the number of elements."""
        if rows:
            reader.skip(8 * (rows - 1))
            self.inner.skip(reader, reader.u64())


@dataclass(frozen=True, slots=True)
class Tuple:
    """One column after the other."""

    items: tuple[ColumnType, ...]

    def skip_prefix(self, reader: WireReader) -> None:
        """Those of the columns."""
        for item in self.items:
            item.skip_prefix(reader)

    def skip(self, reader: WireReader, rows: int) -> None:
        """Column by column; the tuple of nothing takes a byte a row."""
        if not self.items:
            reader.skip(rows)
        for item in self.items:
            item.skip(reader, rows)


@dataclass(frozen=True, slots=True)
class LowCardinality:
    """A dictionary and each row's key in it."""

    inner: ColumnType

    def skip_prefix(self, reader: WireReader) -> None:
        """The version of the coding."""
        reader.skip(8)

    def skip(self, reader: WireReader, rows: int) -> None:
        """Flags, dictionary, keys; a column without rows has none of them."""
        if not rows:
            return
        flags = reader.u64()
        width = flags & _KEY_WIDTH
        if width > 3:
            raise server_error(Code.INCORRECT_DATA, f"A LowCardinality column has keys of kind {width}")
        if flags & _ADDITIONAL_KEYS:
            self.inner.skip(reader, reader.u64())
        reader.skip(reader.u64() << width)


def split_arguments(text: str) -> list[str]:
    """Cut the arguments of a type, or a list of names, at the commas that stand in no bracket or quote.

    >>> split_arguments("Enum8('a,b' = 1), Map(String, UInt8)")
    ["Enum8('a,b' = 1)", 'Map(String, UInt8)']
    """
    arguments, depth, start, position = [], 0, 0, 0
    while position < len(text):
        letter = text[position]
        if letter in "'`\"":
            position = _after_quoted(text, position)
            continue
        if letter == "(":
            depth += 1
        elif letter == ")":
            depth -= 1
        elif letter == "," and depth == 0:
            arguments.append(text[start:position].strip())
            start = position + 1
        position += 1
    arguments.append(text[start:].strip())
    return [argument for argument in arguments if argument]


def _after_quoted(text: str, position: int) -> int:
    quote = text[position]
    position += 1
    while position < len(text) and text[position] != quote:
        position += 2 if text[position] == "\\" else 1
    return position + 1


@lru_cache(maxsize=4096)
def parse_type(name: str) -> ColumnType:
    """How to walk over a column of the type of this name.

    Raises:
        ServerError: There is no such type, or its layout is not known here (Variant, Dynamic, JSON,
            AggregateFunction).
    """
    try:
        return _parse(name, _NESTING_LIMIT)
    except (ValueError, IndexError, StopIteration) as error:
        raise _unknown(name) from error


def _parse(name: str, nesting: int) -> ColumnType:
    name = _ALIASES.get(name, name)
    family, bracket, rest = name.partition("(")
    if nesting == 0 or (bracket and not rest.endswith(")")):
        raise _unknown(name)
    arguments = split_arguments(rest[:-1])

    def inner(argument: str) -> ColumnType:
        return _parse(argument, nesting - 1)

    match family:
        case "String":
            return Text()
        case "FixedString" if int(arguments[0]) > 0:
            # With a size below that the walk would stand still, or go back over what it has read.
            return Fixed(int(arguments[0]))
        case "Decimal":
            precision = int(arguments[0])
            return Fixed(next(size for digits, size in _DECIMAL_SIZES if precision <= digits))
        case "Nullable":
            return Nullable(inner(arguments[0]))
        case "Array":
            return Array(inner(arguments[0]))
        case "Map":
            return Array(Tuple((inner(arguments[0]), inner(arguments[1]))))
        case "Tuple":
            return Tuple(tuple(inner(_unnamed(argument)) for argument in arguments))
        case "Nested":
            return Array(Tuple(tuple(inner(_unnamed(argument)) for argument in arguments)))
        case "SimpleAggregateFunction":
            return inner(arguments[1])
        case "LowCardinality":
            # Nulls are a key of the dictionary, so its values come without a map of nulls.
            values = inner(arguments[0])
            return LowCardinality(values.inner if isinstance(values, Nullable) else values)
        case _ if family.startswith("Interval"):
            return Fixed(8)
        case _ if family in _SIZES:
            return Fixed(_SIZES[family])
    raise _unknown(name)


def _unnamed(element: str) -> str:
    match = _NAMED_ELEMENT.fullmatch(element)
    return match[1] if match else element


def _unknown(name: str) -> ServerError:
    return server_error(Code.UNKNOWN_TYPE, f"Type {name[:200]} is not supported in data sent over the wire")
