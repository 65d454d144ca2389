"""Postings -> columns, table by table. Pure: NumPy and the registry, and no loop over readings.

A row's identity is its cause (`source`, `partition`, `offset`, `line`) and the posting that carried it
(`posting_offset`, in the same partition number). Columns are named as in the migrations, with their units.
"""

from collections.abc import Sequence

from sinks.clickhouse.events import event_columns, posting_columns
from sinks.clickhouse.readings import reading_columns
from sinks.clickhouse.registry import Registry
from sinks.clickhouse.tables import TIME_COLUMNS, Posted, TableRows, cut_by_month


def table_rows(posted: Sequence[Posted], registry: Registry) -> list[TableRows]:
    """All rows of some postings, cut by month, tables in the order of writing and without empty ones.

    The registry takes what the postings introduce. The same postings give the same rows each time.

    Raises:
        RegistryError: A number stands for nothing, or for two things.
    """
    for each in posted:
        outcome = each.postings.outcome
        registry.take(
            each.postings.site,
            accounts=outcome.accounts,
            meters=outcome.meters,
            versions=outcome.versions,
        )
    readings, pieces = reading_columns(posted, registry)
    tables = event_columns(posted, registry)
    tables |= {"readings": readings, "pieces": pieces, "postings": posting_columns(posted)}
    return [rows for table in TIME_COLUMNS for rows in cut_by_month(table, tables[table])]
