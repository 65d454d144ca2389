"""The check that the database's tables keep what exactly once rests on."""

from typing import Any, Final

from sinks.clickhouse.tables import TIME_COLUMNS
from sinks.errors import SchemaError

_TABLES = "SELECT name, engine, engine_full, partition_key FROM system.tables WHERE database = currentDatabase()"
_TIMES = (
    "SELECT table, name FROM system.columns WHERE database = currentDatabase() AND type = 'DateTime64(3, \\'UTC\\')'"
)
_TOKENS: Final = "non_replicated_deduplication_window"
_TOKENS_OF_REPLICAS: Final = " replicated_deduplication_window"


def check_schema(client: Any) -> None:
    """Check every table that the sink writes: there, cut by the months that the sink cuts by, mindful of tokens.

    Raises:
        SchemaError: With all that is wrong.
    """
    tables = {name: rest for name, *rest in client.execute(_TABLES)}
    times = set(client.execute(_TIMES))
    faults = []
    for table, time in {**TIME_COLUMNS, "sink_blocks": "", "sink_positions": ""}.items():
        if table not in tables:
            faults.append(f"{table} is missing: the migrations have not run")
            continue
        engine, definition, partition_key = tables[table]
        if partition_key != (f"toYYYYMM({time})" if time else ""):
            # Elsewhere the sink's insert could fall in two partitions, and be there by half after a crash.
            faults.append(f"{table} is partitioned by {partition_key or 'nothing'}")
        if time and (table, time) not in times:
            faults.append(f"{table}.{time} is not in UTC milliseconds")
        tokens = _TOKENS_OF_REPLICAS if engine.startswith("Replicated") else _TOKENS
        if table != "sink_positions" and tokens not in definition:
            faults.append(f"{table} has no {tokens.strip()}")
    if faults:
        raise SchemaError("; ".join(faults))
