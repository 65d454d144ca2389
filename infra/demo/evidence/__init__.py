"""What a checked run left behind, read anew from Kafka, ClickHouse and the fleet when nothing moves any more."""
