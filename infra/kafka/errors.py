"""What can go wrong with the embedded Kafka."""


class KafkaError(Exception):
    """The embedded Kafka cannot be started, or ended by itself."""
