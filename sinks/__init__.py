"""What reads Kafka's outputs: ClickHouse."""

from sinks.clickhouse.positions import positions

__all__ = ["positions"]
