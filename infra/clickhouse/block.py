"""Blocks of rows, column by column, as the Native format has them.

    columns   varint
    rows      varint
    each column: name, type as texts; if there are rows, the type's prefix and the values

The engine writes and reads the form of revision 0: no block info in front, no custom serialization.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from infra.clickhouse.columns import parse_type
from infra.clickhouse.errors import Code, protocol_error
from infra.clickhouse.reader import BytesSource, WireReader
from infra.clickhouse.writer import text, varint

# ClickHouse's own limits on what it believes of a Native header.
_COLUMN_LIMIT = 1_000_000
_ROW_LIMIT = 1_000_000_000_000
_NAME_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Column:
    """A column's name and type, as ClickHouse writes them."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class BlockShape:
    """What a walk over a block has seen; an empty block has neither columns nor rows."""

    columns: tuple[Column, ...]
    rows: int


def walk_block(reader: WireReader) -> BlockShape:
    """Walk over one block.

    Raises:
        ServerError: Its layout is not known or impossible; the reader stands somewhere inside it.
    """
    count, rows = _counts(reader)
    columns = []
    for _ in range(count):
        column = Column(reader.text(_NAME_LIMIT), reader.text(_NAME_LIMIT))
        columns.append(column)
        _skip_values(reader, column, rows)
    return BlockShape(tuple(columns), rows)


def block_shape(data: bytes) -> BlockShape:
    """The shape of the first block of these bytes."""
    return walk_block(WireReader(BytesSource(data)))


def count_rows(data: bytes) -> int:
    """Rows of the first block of these bytes, without a look at its columns."""
    return _counts(WireReader(BytesSource(data[:20])))[1]


def header_block(columns: Sequence[Column]) -> bytes:
    """The block without rows that tells a client the columns to come."""
    return varint(len(columns)) + varint(0) + b"".join(text(each.name) + text(each.type) for each in columns)


def split_blocks(data: bytes) -> list[bytes]:
    """Cut bytes that hold one block after the other."""
    reader, blocks = WireReader(BytesSource(data)), []
    while not reader.at_end():
        block = bytearray()
        with reader.copying(block.extend):
            walk_block(reader)
        blocks.append(bytes(block))
    return blocks


def retype(block: bytes, columns: Sequence[Column]) -> bytes:
    """The same block with these columns' types in place of its own, which must have the same layout."""
    reader = WireReader(BytesSource(block))
    count, rows = _counts(reader)
    out = bytearray(varint(count) + varint(rows))
    for column in columns:
        reader.text(_NAME_LIMIT)
        reader.text(_NAME_LIMIT)
        out += text(column.name) + text(column.type)
        with reader.copying(out.extend):
            _skip_values(reader, column, rows)
    return bytes(out)


def _counts(reader: WireReader) -> tuple[int, int]:
    count, rows = reader.varint(), reader.varint()
    if count > _COLUMN_LIMIT or rows > _ROW_LIMIT:
        raise protocol_error(Code.INCORRECT_DATA, f"A block claims {count} columns and {rows} rows")
    return count, rows


def _skip_values(reader: WireReader, column: Column, rows: int) -> None:
    if rows:
        layout = parse_type(column.type)
        layout.skip_prefix(reader)
        layout.skip(reader, rows)
