"""How far the sink has come, for those who watch it."""

from typing import Any, Final

SINK: Final = "clickhouse"
"""The name under which this sink records its blocks and positions."""


def positions(client: Any, sink: str = SINK) -> dict[int, int]:
    """Partition of `ledger.postings` -> offset of the next record that the sink will write.

    The difference to the partition's end is the sink's lag in records, a marker or two included.

    Args:
        client: A `clickhouse_driver.Client` on the sink's database.
    """
    rows = client.execute(
        "SELECT partition, max(next_offset) FROM sink_positions WHERE sink = %(sink)s GROUP BY partition",
        {"sink": sink},
    )
    return {int(partition): int(offset) for partition, offset in rows}
