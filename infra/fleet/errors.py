"""What can be wrong with a virtual property group."""

from infra.errors import InfraError


class FleetError(InfraError):
    """The fleet cannot start or go on as asked; the message says what to change."""
