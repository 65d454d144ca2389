"""What can go wrong in a sink, by how it is treated."""


class SinkError(Exception):
    """Stops the sink: to go on would lose rows, double them or write wrong ones."""


class AwayError(SinkError):
    """Kafka or the database did not do what it was asked, or did not say so; tried again from what is recorded."""


class AnotherSinkError(SinkError):
    """A block that this sink was about to write was claimed by another one that runs at the same time."""


class GapError(SinkError):
    """Kafka no longer has the postings that come next, or ends before them."""


class RegistryError(SinkError):
    """Postings name a meter, account or tariff version by a number that no posting before introduced."""


class SchemaError(SinkError):
    """The database's tables are not those that this version of the sink writes."""
