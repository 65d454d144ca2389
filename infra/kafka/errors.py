"""What can go wrong with the embedded Kafka."""

from infra.errors import InfraError


class KafkaError(InfraError):
    """The embedded Kafka cannot be started, or ended by itself."""
