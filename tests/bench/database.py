"""A database for benchmarks, and what lies on its disk."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infra.settings import Settings
from tests.conftest import start_part, stop_part


@contextmanager
def database() -> Iterator[tuple[Settings, Path]]:
    """An embedded ClickHouse of its own, and a folder that goes with it."""
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder:
        settings = Settings(data_dir=Path(folder), kafka="", clickhouse="")
        process = start_part(settings, "clickhouse")
        try:
            yield settings, Path(folder)
        finally:
            stop_part(process)


def sizes(client: Any, bench: str) -> Iterator[dict[str, object]]:
    """Bytes on disk a reading: all tables together, and the columns and projections of `readings`."""
    ((rows,),) = client.execute("SELECT count() FROM readings")
    tables = client.execute(
        "SELECT table, sum(bytes_on_disk) FROM system.parts WHERE active AND database = currentDatabase()"
        " GROUP BY table ORDER BY 2 DESC"
    )
    yield {
        "bench": bench,
        "case": "disk",
        "bytes": sum(size for _, size in tables),
        "bytes_per_reading": round(sum(size for _, size in tables) / rows, 2),
        "tables": {table: round(size / rows, 3) for table, size in tables if size > rows / 1000},
    }
    columns = client.execute(
        "SELECT name, data_compressed_bytes FROM system.columns"
        " WHERE database = currentDatabase() AND table = 'readings' ORDER BY 2 DESC"
    )
    projections = client.execute(
        "SELECT name, sum(bytes_on_disk) FROM system.projection_parts"
        " WHERE active AND database = currentDatabase() AND table = 'readings' GROUP BY name ORDER BY 2 DESC"
    )
    yield {
        "bench": bench,
        "case": "columns",
        "bytes_per_reading": {name: round(size / rows, 3) for name, size in columns},
        "projections": {name: round(size / rows, 3) for name, size in projections},
    }
