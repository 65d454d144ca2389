"""Rows from a client into a table: the header that asks for them, the blocks, one INSERT of all of them."""

from pathlib import Path

from infra.clickhouse.block import Column
from infra.clickhouse.channel import Channel
from infra.clickhouse.columns import split_arguments
from infra.clickhouse.engine import EngineSession, Report, Result
from infra.clickhouse.errors import Code, ServerError, protocol_error, server_error
from infra.clickhouse.progress import ProgressReport
from infra.clickhouse.protocol import REVISION_WRITE_INFO, ClientPacket
from infra.clickhouse.query import Running
from infra.clickhouse.spool import Spool
from infra.clickhouse.statements import Insert, quote_text, unquote_name

# The engine reads the rows from a file, which is none of the client's business.
_FILE_NOTES = (": data for INSERT was parsed from file", ": While executing File")


def answer_insert(channel: Channel, session: EngineSession, insert: Insert, running: Running, folder: Path) -> None:
    """Ask for the rows, take them all, insert them.

    Args:
        folder: Where the rows are kept until all have come.
    Raises:
        ServerError: The table is unknown, the rows have other columns than asked for, or the engine refuses them: none
            of them is in.
        ProtocolError: Something else came than blocks.
    """
    wanted = _wanted_columns(session, insert)
    channel.send_header(wanted)
    names, unfit = sorted(column.name for column in wanted), None
    with Spool(folder) as spool:
        while (packet := channel.reader.varint()) == ClientPacket.DATA:
            channel.read_table_name()
            block = spool.take(channel)
            if not block.columns:
                break
            if block.rows and sorted(column.name for column in block.columns) != names:
                unfit = unfit or block
        else:
            if packet != ClientPacket.CANCEL:
                raise protocol_error(Code.UNEXPECTED_PACKET_FROM_CLIENT, f"Packet {packet} among the rows of an INSERT")
            channel.send_end()
            return
        if unfit:
            # The engine would pass over what the table has not, and fill in what the rows have not.
            given = ", ".join(column.name for column in unfit.columns)
            raise server_error(Code.NO_SUCH_COLUMN_IN_TABLE, f"The rows have columns {given}, not {', '.join(names)}")
        if spool.rows:
            progress = ProgressReport(channel)
            # A client from before written rows were counted takes any progress of an INSERT for a fault.
            tells = channel.revision >= REVISION_WRITE_INFO
            result = insert_spool(session, insert, spool, running, progress.take if tells else None)
            if tells:
                progress.send(result.progress)
    channel.send_end()


def insert_spool(
    session: EngineSession, insert: Insert, spool: Spool, running: Running, report: Report | None = None
) -> Result:
    """Run the INSERT over what a spool holds."""
    # A true INSERT rather than INSERT SELECT from file(): blocks are squashed and their deduplication tokens
    # numbered as for rows from a client of a server. chDB's own streaming insert is no way, since it swallows
    # the errors that come after parsing: constraints, views.
    columns = "" if insert.columns is None else f" ({insert.columns})"
    sql = f"INSERT INTO {insert.target}{columns} FROM INFILE {quote_text(spool.path)} {insert.settings} FORMAT Native"
    try:
        return session.run(running.marked(sql), report)
    except ServerError as error:
        message = error.message.replace(f": (in file/uri {spool.path})", "")
        for note in _FILE_NOTES:
            message = message.replace(note, "")
        raise ServerError(error.code, message) from error


def _wanted_columns(session: EngineSession, insert: Insert) -> tuple[Column, ...]:
    """The columns that the INSERT names, or all that can be given, with their types."""
    described = session.rows(f"DESCRIBE TABLE {insert.target}")
    types = {row[0]: row[1] for row in described}
    if insert.columns is None or not insert.columns.strip():
        return tuple(
            Column(row[0], row[1]) for row in described if row[2] not in ("MATERIALIZED", "ALIAS", "EPHEMERAL")
        )
    if "*" in insert.columns:
        return session.describe(f"SELECT {insert.columns} FROM {insert.target}")
    columns = []
    for written in split_arguments(insert.columns):
        name = unquote_name(written)
        if name not in types:
            raise server_error(Code.NO_SUCH_COLUMN_IN_TABLE, f"No such column {name} in table {insert.target}")
        columns.append(Column(name, types[name]))
    return tuple(columns)
