"""What another server asks before it sends a query for a shard of a Distributed table: are the tables there?

    request    5 | count | count x (database | table)
    answer     9 | count | count x (database | table | byte: 1 if it is replicated, and its delay then)

A table that is not there is left out of the answer. Nothing here is replicated.
"""

from infra.clickhouse.channel import Channel
from infra.clickhouse.engine import EngineSession
from infra.clickhouse.errors import Code, protocol_error
from infra.clickhouse.protocol import ServerPacket
from infra.clickhouse.statements import quote_name
from infra.clickhouse.writer import text, varint

_TABLES_LIMIT = 1000
_NOT_REPLICATED = b"\0"


def answer_tables_status(channel: Channel, session: EngineSession) -> None:
    """Read a request behind its type, and answer it.

    Raises:
        ProtocolError: It asks for too many tables.
    """
    reader = channel.reader
    count = reader.varint()
    if count > _TABLES_LIMIT:
        raise protocol_error(Code.INCORRECT_DATA, f"A request for the status of {count} tables")
    asked = [(reader.text(), reader.text()) for _ in range(count)]
    there = [names for names in asked if session.rows(f"EXISTS TABLE {'.'.join(map(quote_name, names))}") == [[1]]]
    entries = (text(database) + text(table) + _NOT_REPLICATED for database, table in there)
    channel.send(varint(ServerPacket.TABLES_STATUS) + varint(len(there)) + b"".join(entries))
