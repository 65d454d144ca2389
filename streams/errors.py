"""What stops a ledger. None of these is handled further in: the process ends and a fresh start decides."""


class StreamsError(Exception):
    """Base of this package's errors."""


class GapError(StreamsError):
    """Input is missing between what the ledger took last and what it is given next."""


class StateError(StreamsError):
    """`ledger.state` holds what this version cannot read."""


class AssignmentError(StreamsError):
    """A worker was given one input of a partition without the other."""
