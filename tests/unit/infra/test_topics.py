"""The table of topics and where keys go; what a broker makes of it is tested with the embedded Kafka."""

from infra.topics import LEDGER_GROUP, LEDGER_STATE, MAX_RECORD_BYTES, OFFICE_ORDERS, TOPICS, partition_of
from streams.server import APPLICATION


def test_the_eight_topics_of_the_pipeline() -> None:
    assert list(TOPICS) == [
        "meter.frames",
        "office.orders",
        "ledger.state",
        "ledger.postings",
        "gateway.commands",
        "gateway.reports",
        "office.notices",
        "frames.rejected",
    ]


def test_what_must_not_be_forgotten_is_not() -> None:
    assert TOPICS[LEDGER_STATE].configs["cleanup.policy"] == "compact"
    orders = TOPICS[OFFICE_ORDERS].configs
    assert (orders["retention.ms"], orders["retention.bytes"]) == ("-1", "-1")


def test_no_topic_forgets_by_size_what_nobody_has_read() -> None:
    """Whatever limit the broker has for all others."""
    kept = {name: topic.configs.get("retention.bytes") for name, topic in TOPICS.items() if name != LEDGER_STATE}
    assert set(kept.values()) == {"-1"}


def test_all_take_large_records_and_are_stamped_by_the_broker() -> None:
    for topic in TOPICS.values():
        assert topic.configs["max.message.bytes"] == str(MAX_RECORD_BYTES)
        assert topic.configs["message.timestamp.type"] == "LogAppendTime"


def test_keys_spread_over_all_partitions() -> None:
    assert {partition_of(f"S{number}".encode(), 12) for number in range(200)} == set(range(12))


def test_the_watched_group_is_the_ledgers() -> None:
    assert LEDGER_GROUP == APPLICATION
