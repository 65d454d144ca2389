"""The embedded Kafka: Apache Kafka itself, one process on the loopback, from its Maven artifacts."""
