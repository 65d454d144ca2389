"""The embedded Kafka as a process: topics, records, kill -9, a clean stop."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from structlog.testing import capture_logs

from infra.endpoints import kafka_bootstrap, read_record, running
from infra.process import LockedError, locked
from infra.settings import Settings
from infra.topics import LEDGER_STATE, METER_FRAMES, MIN_COPIES, TOPICS, TopicError, ensure_topics, partition_of
from tests.conftest import lend_jars, start_part, stop_part


@pytest.fixture
def own(tmp_path: Path) -> Settings:
    """Settings of a Kafka that a test may kill."""
    lend_jars(tmp_path)
    return Settings(data_dir=tmp_path, kafka="", partitions=2, replication=1)


@pytest.fixture
def admin(kafka: str) -> Iterator[KafkaAdminClient]:
    client = KafkaAdminClient(bootstrap_servers=kafka)
    yield client
    client.close()


def produce(bootstrap: str, partition: int, values: list[bytes]) -> None:
    """Return when all are acknowledged."""
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all")
    sent = [producer.send(METER_FRAMES, value, key=b"site", partition=partition) for value in values]
    for future in sent:
        future.get(timeout=20)
    producer.close()


def consume(bootstrap: str, partition: int, count: int) -> list[bytes]:
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    try:
        at = TopicPartition(METER_FRAMES, partition)
        consumer.assign([at])
        consumer.seek_to_beginning(at)
        values: list[bytes] = []
        while len(values) < count:
            for records in consumer.poll(timeout_ms=1000).values():
                values += [record.value for record in records]
        return values
    finally:
        consumer.close()


def is_gone(process: psutil.Process) -> bool:
    """Whether it has ended; one that nobody has waited for yet counts."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def java_of(pid: int) -> psutil.Process:
    (java,) = psutil.Process(pid).children()
    return java


def test_topics_are_made_as_the_table_says(settings: Settings, admin: KafkaAdminClient) -> None:
    described = {topic["name"]: topic for topic in admin.describe_topics(list(TOPICS))}
    assert {name: len(topic["partitions"]) for name, topic in described.items()} == dict.fromkeys(
        TOPICS, settings.partitions
    )
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in TOPICS]
    configs = admin.describe_configs(resources, config_filter="all")["topic"]
    for name, topic in TOPICS.items():
        kept = {key: configs[name][key]["value"] for key in topic.configs}
        assert kept == topic.configs, name
        assert configs[name][MIN_COPIES]["value"] == "1", name


def test_topics_that_serve_badly_are_told_of(settings: Settings, kafka: str) -> None:
    with capture_logs() as logs:
        ensure_topics(kafka, settings.model_copy(update={"replication": 3}))
    told = [(line["topic"], line["found"], line["wanted"]) for line in logs if line["log_level"] == "warning"]
    assert sorted(told) == sorted((name, 1, 2) for name in TOPICS)


def test_topics_can_be_ensured_again(settings: Settings, kafka: str) -> None:
    ensure_topics(kafka, settings)


def test_another_partition_count_is_refused_with_both_numbers(settings: Settings, kafka: str) -> None:
    other = settings.model_copy(update={"partitions": settings.partitions + 1})
    with pytest.raises(TopicError, match=rf"is {other.partitions}.*{METER_FRAMES} has {settings.partitions}"):
        ensure_topics(kafka, other)


def test_a_state_topic_that_forgets_pages_is_refused(settings: Settings, kafka: str, admin: KafkaAdminClient) -> None:
    def set_policy(policy: str) -> None:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, LEDGER_STATE, {"cleanup.policy": policy})])
        # The broker hears of it from the controller a moment later.
        while (
            policy
            != admin.describe_configs(asked, config_filter="all")["topic"][LEDGER_STATE]["cleanup.policy"]["value"]
        ):
            pass

    asked = [ConfigResource(ConfigResourceType.TOPIC, LEDGER_STATE)]

    set_policy("delete")
    try:
        with pytest.raises(TopicError, match=r"cleanup\.policy=delete"):
            ensure_topics(kafka, settings)
    finally:
        set_policy("compact")


def test_kafka_listens_on_the_loopback_only(settings: Settings, kafka: str) -> None:
    if settings.kafka:
        pytest.skip("an external Kafka")
    record = running(settings, "kafka")
    assert record is not None
    listening = {c.laddr for c in java_of(record.pid).net_connections("tcp") if c.status == psutil.CONN_LISTEN}
    assert {address.port for address in listening} == set(record.ports.values())
    assert {address.ip.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}


def test_kill_9_loses_nothing_acknowledged_and_a_signal_stops_it_cleanly(own: Settings) -> None:
    values = [f"frame {i}".encode() * 100 for i in range(500)]
    with start_part(own, "kafka") as server:
        before = kafka_bootstrap(own)
        java = java_of(server.pid)
        produce(before, 1, values)
        server.kill()
        server.wait()
    # Java holds the lock until it is gone, which it must be without anybody asking it.
    with locked(own.data_dir / "kafka" / "lock", wait_s=20):
        assert is_gone(java)
    assert running(own, "kafka") is None

    server = start_part(own, "kafka")
    java = java_of(server.pid)
    assert kafka_bootstrap(own) == before, "the port was free, so it is kept"
    assert consume(before, 1, len(values)) == values
    assert stop_part(server) == 0
    assert is_gone(java)
    assert (own.data_dir / "kafka" / "data" / ".kafka_cleanshutdown").exists()
    record = read_record(own, "kafka")
    assert record is not None
    assert not record.is_alive()


def test_java_killed_alone_ends_the_part_with_an_error(own: Settings) -> None:
    with start_part(own, "kafka") as server:
        java_of(server.pid).kill()
        assert server.wait(timeout=20) == 1
    assert "Kafka ended by itself" in (own.log_dir / "kafka.log").read_text()


def test_a_second_kafka_on_the_same_data_is_refused(settings: Settings, kafka: str) -> None:
    if settings.kafka:
        pytest.skip("an external Kafka")
    with pytest.raises(LockedError), locked(settings.data_dir / "kafka" / "lock"):
        pass


def test_ctrl_c_reaches_java_only_through_the_part(settings: Settings, kafka: str) -> None:
    if settings.kafka:
        pytest.skip("an external Kafka")
    record = running(settings, "kafka")
    assert record is not None
    assert os.getpgid(java_of(record.pid).pid) != os.getpgid(record.pid)


@pytest.mark.parametrize("key", [b"", b"a", b"site-1", "小区".encode(), b"x" * 100])
def test_a_key_goes_where_kafkas_own_producer_sends_it(
    settings: Settings, kafka: str, key: bytes, free_topic: Callable[[], str]
) -> None:
    topic = free_topic()
    producer = KafkaProducer(bootstrap_servers=kafka)
    sent = producer.send(topic, b"", key=key).get(timeout=20)
    producer.close()
    assert sent.partition == partition_of(key, 3)


@pytest.fixture
def free_topic(admin: KafkaAdminClient) -> Callable[[], str]:
    """Makes a topic of three partitions."""

    def make() -> str:
        if "test.keys" not in admin.list_topics():
            admin.create_topics({"test.keys": {"num_partitions": 3}}, wait_for_metadata=True)
        return "test.keys"

    return make
