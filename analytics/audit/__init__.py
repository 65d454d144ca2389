"""The audit: what must hold between the rows of the database, checked by the database itself, row by row."""

from typing import Any

from analytics.audit.accounts import check_balances, check_orders
from analytics.audit.check import Check, Fault, Scope
from analytics.audit.meters import check_pieces, check_prices, check_registers
from analytics.audit.postings import check_batches, check_parts, check_rows
from analytics.audit.registry import check_registry

__all__ = ["CHECKS", "Check", "Fault", "audit"]

CHECKS = (
    check_batches,
    check_parts,
    check_rows,
    check_registry,
    check_balances,
    check_orders,
    check_registers,
    check_pieces,
    check_prices,
)


def audit(client: Any) -> list[Check]:
    """Run all checks over what the sink has finished.

    Args:
        client: A `clickhouse_driver.Client` on the product's database.
    Raises:
        clickhouse_driver.errors.Error: The database cannot be asked.
    """
    scope = Scope(client)
    return [check(scope) for check in CHECKS]
