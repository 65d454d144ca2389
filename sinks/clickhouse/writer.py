"""The database as the sink needs it, through clickhouse-driver: claims, counted and tokened inserts, positions."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from clickhouse_driver import Client
from clickhouse_driver.errors import Error, ErrorCodes
from clickhouse_driver.util.helpers import parse_url

from sinks.clickhouse.blocks import Block, Claim, Span
from sinks.clickhouse.driver import numpy_column, plain_column
from sinks.clickhouse.journal import LedgerBatch
from sinks.clickhouse.positions import positions
from sinks.clickhouse.registry import Registry
from sinks.clickhouse.schema import check_schema
from sinks.clickhouse.tables import TIME_COLUMNS, TableRows, month_bounds_ms
from sinks.errors import AwayError, SinkError
from streams.postings import Inputs
from streams.postings import Span as InputSpan

_LIST_TABLES: Final = frozenset({"tariff_versions"})
"""Tables with array columns, which clickhouse-driver does not write from NumPy."""

_INSERT_SETTINGS: Final[Mapping[str, object]] = {
    # An insert is done when it is answered, and is one part: there as a whole or not at all.
    "async_insert": 0,
    "insert_deduplicate": 1,
    "min_insert_block_size_rows": 1 << 20,
    "min_insert_block_size_bytes": 1 << 30,
}

_FATAL: Final = frozenset(
    {
        ErrorCodes.UNKNOWN_TABLE,
        ErrorCodes.UNKNOWN_DATABASE,
        ErrorCodes.NO_SUCH_COLUMN_IN_TABLE,
        ErrorCodes.UNKNOWN_IDENTIFIER,
        ErrorCodes.TYPE_MISMATCH,
        ErrorCodes.SYNTAX_ERROR,
        ErrorCodes.READONLY,
        ErrorCodes.WRONG_PASSWORD,
        497,  # access denied
        516,  # authentication failed
    }
)
"""Errors that waiting does not mend."""


class ClickHouseStore:
    """`Store` on one database, for as long as its connections last; after an `AwayError` a new one is needed.

    Args:
        url: `clickhouse://user:password@host:port/database`.
        sink: The name under which blocks and positions are recorded.
    Raises:
        SchemaError: The database has not the tables that the sink writes.
        AwayError: It cannot be reached.
    """

    def __init__(self, url: str, *, sink: str) -> None:
        self._sink = sink
        self._client = _client(url)
        # A block of ours is never cut into several, which the server might then insert one by one.
        self._rows_client = _client(url, use_numpy=True, insert_block_size=1 << 22)
        try:
            with away():
                check_schema(self._client)
                # Connected before anything is claimed: the server that takes the rows is the one that was asked.
                self._rows_client.execute("SELECT 1")
        except SinkError:
            self.close()
            raise

    def close(self) -> None:
        """Leave the server."""
        self._client.disconnect()
        self._rows_client.disconnect()

    def registry(self, registry: Registry | None = None) -> Registry:
        """Everything that blocks so far introduced, beside what is in the registry already."""
        registry = registry or Registry()
        with away():
            for site, number, account in self._client.execute("SELECT site, number, account FROM accounts"):
                registry.site(site).add_account(number, account=account)
            for site, number, meter, gateway, kind in self._client.execute(
                "SELECT site, number, meter, gateway, kind FROM meters"
            ):
                registry.site(site).add_meter(number, meter=meter, gateway=gateway, kind=kind)
            for site, number, tariff, bands in self._client.execute(
                "SELECT site, number, tariff, bands FROM tariff_versions"
            ):
                registry.site(site).add_version(number, tariff=tariff, bands=bands)
        return registry

    def claims(self, *, after: int) -> list[Claim]:
        """See `Store.claims`."""
        with away():
            rows = self._client.execute(
                "SELECT number, claimed_by, groupArray((partition, first_offset, next_offset)) FROM sink_blocks"
                " WHERE sink = %(sink)s AND number > %(after)s"
                " GROUP BY number, claimed_by ORDER BY number, min(claimed_at), claimed_by",
                {"sink": self._sink, "after": after},
            )
        return [
            Claim(Block(number, tuple(sorted(Span(*span) for span in spans))), claimed_by)
            for number, claimed_by, spans in rows
        ]

    def add_claim(self, claim: Claim, *, token: str) -> None:
        """See `Store.add_claim`."""
        block = claim.block
        self._insert_plain(
            "sink_blocks",
            {
                "sink": [self._sink] * len(block.spans),
                "number": [block.number] * len(block.spans),
                "partition": [span.partition for span in block.spans],
                "first_offset": [span.first for span in block.spans],
                "next_offset": [span.next for span in block.spans],
                "claimed_by": [claim.claimed_by] * len(block.spans),
            },
            token=token,
        )

    def finished(self) -> tuple[int, dict[int, int]]:
        """See `Store.finished`."""
        with away():
            ((number,),) = self._client.execute(
                "SELECT max(number) FROM sink_positions WHERE sink = %(sink)s", {"sink": self._sink}
            )
            return number, positions(self._client, self._sink)

    def batches(self, positions: Mapping[int, int]) -> dict[int, LedgerBatch]:
        """See `Store.batches`."""
        return {partition: batch for partition, (_, batch) in self.placed_batches(positions).items()}

    def placed_batches(self, positions: Mapping[int, int]) -> dict[int, tuple[int, LedgerBatch]]:
        """As `batches`, each with the offset of that posting."""
        before = " OR ".join(f"(partition = {key} AND posting_offset < {end})" for key, end in positions.items())
        with away():
            found = self._client.execute(
                "SELECT partition, max(posting_offset), argMax((sequence, frames_first, frames_next, orders_first,"
                f" orders_next), posting_offset) FROM postings WHERE {before or '0'} GROUP BY partition"
            )
        return {
            partition: (offset, LedgerBatch(sequence, Inputs(InputSpan(*spans[:2]), InputSpan(*spans[2:]))))
            for partition, offset, (sequence, *spans) in found
        }

    def rows_to(self, positions: Mapping[int, int], *, in_order: bool) -> dict[int, int]:
        """See `Store.rows_to`."""
        last = "SELECT partition, max(posting_offset) + 1 FROM {} GROUP BY partition"
        with away():
            # The journal is small: without need the other tables are not looked at.
            journal = self._client.execute(last.format("postings"))
            if in_order and all(end <= positions.get(partition, 0) for partition, end in journal):
                return {}
            rows = self._client.execute(" UNION ALL ".join(last.format(table) for table in TIME_COLUMNS))
        ends: dict[int, int] = {}
        for partition, end in rows:
            ends[partition] = max(end, ends.get(partition, 0))
        return {partition: end for partition, end in ends.items() if end > positions.get(partition, 0)}

    def finish(self, block: Block, *, token: str) -> None:
        """See `Store.finish`."""
        self._insert_plain(
            "sink_positions",
            {
                "sink": [self._sink] * len(block.spans),
                "partition": [span.partition for span in block.spans],
                "next_offset": [span.next for span in block.spans],
                "number": [block.number] * len(block.spans),
            },
            token=token,
        )

    def count(self, block: Block, rows: TableRows) -> int:
        """See `Store.count`."""
        with away():
            found = self._client.execute(f"SELECT count() FROM {rows.table} WHERE {_of_block(block, rows)}")
        return int(found[0][0])

    def insert(self, rows: TableRows, *, token: str) -> None:
        """See `Store.insert`."""
        if rows.table in _LIST_TABLES:
            self._insert_plain(
                rows.table, {name: plain_column(column) for name, column in rows.columns.items()}, token=token
            )
            return
        columns = [numpy_column(column) for column in rows.columns.values()]
        with away():
            self._rows_client.execute(
                _insert(rows.table, rows.columns), columns, columnar=True, settings=_settings(token)
            )

    def remove(self, block: Block, rows: TableRows) -> None:
        """See `Store.remove`."""
        with away():
            self._client.execute(
                f"ALTER TABLE {rows.table} DELETE WHERE {_of_block(block, rows)}",
                settings={"mutations_sync": 2},
            )

    def _insert_plain(self, table: str, columns: Mapping[str, Sequence[Any]], *, token: str) -> None:
        with away():
            self._client.execute(
                _insert(table, columns), list(columns.values()), columnar=True, settings=_settings(token)
            )


def _client(url: str, **settings: object) -> Any:
    host, options = parse_url(url)
    options["settings"] = {**options.get("settings", {}), **settings}
    # By itself the driver would connect again to a server that was killed and started in between. What is there
    # of a block is to be looked at again then: the server may have lost the token of an insert that it did.
    return Client(host, disable_reconnect=True, **options)


def _settings(token: str) -> dict[str, object]:
    return {**_INSERT_SETTINGS, "insert_deduplication_token": token}


def _insert(table: str, columns: Iterable[str]) -> str:
    return f"INSERT INTO {table} ({', '.join(f'`{name}`' for name in columns)}) VALUES"


def _of_block(block: Block, rows: TableRows) -> str:
    """The condition that a row of the table is the block's, and in the month of `rows`."""
    spans = " OR ".join(
        f"(partition = {span.partition} AND posting_offset >= {span.first} AND posting_offset < {span.next})"
        for span in block.spans
    )
    time = TIME_COLUMNS[rows.table]
    if not time:
        return f"({spans})"
    start, end = month_bounds_ms(rows.month)
    return (
        f"{time} >= fromUnixTimestamp64Milli({start}, 'UTC') AND {time} < fromUnixTimestamp64Milli({end}, 'UTC')"
        f" AND ({spans})"
    )


@contextmanager
def away() -> Iterator[None]:
    """What the database fails with as the sink's errors: `SinkError` where waiting does not help, else `AwayError`."""
    try:
        yield
    except Error as error:
        if error.code in _FATAL:
            raise SinkError(f"ClickHouse: {error}") from error
        raise AwayError(f"ClickHouse: {error}") from error
    except (OSError, EOFError) as error:
        raise AwayError(f"ClickHouse: {type(error).__name__}: {error}") from error
