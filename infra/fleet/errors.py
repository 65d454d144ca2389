"""What can be wrong with a virtual property group."""


class FleetError(Exception):
    """The fleet cannot start or go on as asked; the message says what to change."""
