"""What can go wrong when the database is asked."""

from infra.errors import InfraError


class AnalyticsError(InfraError):
    """A question that cannot be answered as it was asked; the message says why."""


class TieError(AnalyticsError):
    """Sums that must agree do not: rows are missing, doubled or changed. `sluice audit` names them."""
