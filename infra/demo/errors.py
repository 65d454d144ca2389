"""What keeps a demo from running."""

from infra.errors import InfraError


class DemoError(InfraError):
    """The demo cannot go on; the message says what to do."""
