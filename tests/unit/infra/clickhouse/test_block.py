"""Blocks of rows: their shape, and other types over the same values."""

import struct

import pytest

from infra.clickhouse.block import (
    BlockShape,
    Column,
    block_shape,
    count_rows,
    header_block,
    retype,
    split_blocks,
)
from infra.clickhouse.errors import Code, ProtocolError
from infra.clickhouse.writer import text, varint

TIMES = varint(2) + varint(2) + text("at") + text("DateTime") + struct.pack("<2I", 0, 60) + text("id") + text("String")
BLOCK = TIMES + text("a") + text("bc")
COLUMNS = (Column("at", "DateTime"), Column("id", "String"))


def test_shape() -> None:
    assert block_shape(BLOCK) == BlockShape(COLUMNS, 2)
    assert count_rows(BLOCK) == 2


def test_empty_block_has_no_columns() -> None:
    assert block_shape(b"\0\0") == BlockShape((), 0)


def test_header_has_columns_and_no_rows() -> None:
    assert block_shape(header_block(COLUMNS)) == BlockShape(COLUMNS, 0)


def test_split() -> None:
    assert split_blocks(BLOCK + header_block(COLUMNS) + BLOCK) == [BLOCK, header_block(COLUMNS), BLOCK]
    assert split_blocks(b"") == []


def test_retype_changes_types_alone() -> None:
    zoned = (Column("at", "DateTime('Asia/Shanghai')"), Column("id", "String"))
    block = retype(BLOCK, zoned)
    assert block_shape(block) == BlockShape(zoned, 2)
    assert retype(block, COLUMNS) == BLOCK


@pytest.mark.parametrize("size", range(len(BLOCK)))
def test_cut_off_block_ends_as_cut_off(size: int) -> None:
    with pytest.raises(EOFError):
        block_shape(BLOCK[:size])


@pytest.mark.parametrize(("columns", "rows"), [(1 << 40, 1), (1, 1 << 62)])
def test_impossible_counts_are_refused(columns: int, rows: int) -> None:
    with pytest.raises(ProtocolError) as caught:
        block_shape(varint(columns) + varint(rows) + bytes(100))
    assert caught.value.code == Code.INCORRECT_DATA
