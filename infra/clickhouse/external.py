"""External tables: rows that a client sends along with a query, there under a name while it runs."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.clickhouse.block import Column
from infra.clickhouse.channel import Channel
from infra.clickhouse.engine import EngineSession
from infra.clickhouse.errors import Code, protocol_error
from infra.clickhouse.insert import insert_spool
from infra.clickhouse.protocol import ClientPacket
from infra.clickhouse.query import Running
from infra.clickhouse.spool import Spool
from infra.clickhouse.statements import Insert, quote_name

_NOT_FOR_ANALYSTS = "External tables are not for the user analyst"
_EMPTY_FRAME_LIMIT = 1 << 10


@dataclass(frozen=True, slots=True)
class ExternalTable:
    """A table that came along: its name, columns and rows."""

    name: str
    columns: tuple[Column, ...]
    spool: Spool


@contextmanager
def external_tables(channel: Channel, folder: Path) -> Iterator[list[ExternalTable]]:
    """Read the packets behind a query up to the empty one that ends them; the tables' rows are kept while inside.

    Raises:
        ProtocolError: Something else came than blocks.
    """
    tables: dict[str, ExternalTable] = {}
    with ExitStack() as spools:
        while (packet := channel.reader.varint()) in (ClientPacket.DATA, ClientPacket.SCALAR):
            name = channel.read_table_name()
            if packet == ClientPacket.SCALAR:
                # Another server tells which shard this is, for functions that hardly any query has.
                with Spool(folder) as unused:
                    unused.take(channel)
                continue
            spool = tables[name].spool if name in tables else spools.enter_context(Spool(folder))
            shape = spool.take(channel)
            if not shape.columns and not name:
                break
            tables.setdefault(name, ExternalTable(name, shape.columns, spool))
        else:
            raise protocol_error(
                Code.UNEXPECTED_PACKET_FROM_CLIENT, f"Expected the data behind a query, got packet {packet}"
            )
        yield list(tables.values())


def no_external_tables(channel: Channel) -> None:
    """Read the empty packet behind a query to which no tables belong.

    Raises:
        ProtocolError: Some come along. They are not read to their end, since their rows would have to be kept for it.
    """
    packet = channel.reader.varint()
    if packet == ClientPacket.DATA and channel.reader.byte() == 0:
        channel.read_block(_refuse_columns, _EMPTY_FRAME_LIMIT)
        return
    raise protocol_error(Code.READONLY, _NOT_FOR_ANALYSTS)


def _refuse_columns(piece: memoryview) -> None:
    # The numbers of columns and rows are all that an empty block has.
    if any(piece):
        raise protocol_error(Code.READONLY, _NOT_FOR_ANALYSTS)


@contextmanager
def tables_in_session(session: EngineSession, tables: list[ExternalTable], running: Running) -> Iterator[None]:
    """While inside, the session has the tables as temporary ones."""
    try:
        for table in tables:
            columns = ", ".join(f"{quote_name(column.name)} {column.type}" for column in table.columns)
            session.run(f"CREATE OR REPLACE TEMPORARY TABLE {quote_name(table.name)} ({columns})")
            if table.spool.rows:
                insert_spool(session, Insert(quote_name(table.name), None, ""), table.spool, running)
        yield
    finally:
        for table in tables:
            session.run(f"DROP TEMPORARY TABLE IF EXISTS {quote_name(table.name)}")
