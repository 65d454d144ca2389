"""How long rows are kept that say what happened or was heard, but move neither money nor registers.

Readings, pieces, entries and the ledger's journal are never removed: balances, reports and the audit are made of them.
"""

from collections.abc import Mapping
from typing import Any, Final

import structlog

_log = structlog.get_logger(__name__)

EVENTS: Final[Mapping[str, str]] = {"commands": "at", "notices": "at", "alarms": "at", "refusals": "at"}
"""Tables of events, each with the column of its time."""
RAW: Final[Mapping[str, str]] = {"frames_raw": "collected_at"}


def set_retention(client: Any, tables: Mapping[str, str], days: int) -> list[str]:
    """Have the database remove rows some days after their time.

    Args:
        client: Of clickhouse-driver, on the product's database.
        tables: By name the column of their time.
        days: 0 keeps them for good.
    Returns:
        The tables whose rule was changed.
    Raises:
        clickhouse_driver.errors.Error: The server refuses it.
    """
    changed = []
    for table, time in tables.items():
        rule = f"TTL toDateTime({time}) + toIntervalDay({days})"
        ((made,),) = client.execute(f"SHOW CREATE TABLE {table}")
        if f"\n{rule}\n" in made if days else "\nTTL " not in made:
            continue
        client.execute(f"ALTER TABLE {table} MODIFY {rule}" if days else f"ALTER TABLE {table} REMOVE TTL")
        changed.append(table)
    if changed:
        _log.info("retention set", days=days, tables=changed)
    return changed
