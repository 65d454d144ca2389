"""How long rows are kept that say what happened, but move neither money nor registers.

Readings, pieces, entries and the ledger's journal are never removed: balances, reports and the audit are made of them.
"""

from typing import Any, Final

import structlog

_log = structlog.get_logger(__name__)

TABLES: Final = ("commands", "notices", "alarms", "refusals")


def set_retention(client: Any, days: int) -> list[str]:
    """Have the database remove events some days after they happened.

    Args:
        client: Of clickhouse-driver, on the product's database.
        days: 0 keeps them for good.
    Returns:
        The tables whose rule was changed.
    Raises:
        clickhouse_driver.errors.Error: The server refuses it.
    """
    changed = []
    for table in TABLES:
        rule = f"TTL toDateTime(at) + toIntervalDay({days})"
        ((made,),) = client.execute(f"SHOW CREATE TABLE {table}")
        if f"\n{rule}\n" in made if days else "\nTTL " not in made:
            continue
        client.execute(f"ALTER TABLE {table} MODIFY {rule}" if days else f"ALTER TABLE {table} REMOVE TTL")
        changed.append(table)
    if changed:
        _log.info("retention set", days=days, tables=changed)
    return changed
