"""The base of what can go wrong in `infra`."""


class InfraError(Exception):
    """Something that whoever runs Sluice can put right; the message says how, and no trace adds to it."""
