"""The sink as a process between real Kafka and a cluster of two shards: each row exactly once."""

from collections.abc import Iterator

import pytest
from clickhouse_driver import Client

from tests.integration.sink_world import ClusterWorld
from tests.integration.test_sink import (
    chance,
    test_a_stop_and_a_start_lose_and_repeat_nothing,
    test_kill_9_of_clickhouse_while_the_sink_writes,
    test_kill_9_of_the_sink_at_any_moment,
)

__all__ = [
    "chance",
    "test_a_stop_and_a_start_lose_and_repeat_nothing",
    "test_kill_9_of_clickhouse_while_the_sink_writes",
    "test_kill_9_of_the_sink_at_any_moment",
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterWorld]:
    """The cluster, in place of the single server."""
    world = ClusterWorld(tmp_path_factory.mktemp("sink-cluster"))
    yield world
    world.close()


def test_both_shards_were_written_to(world: ClusterWorld) -> None:
    """Or the tests before this one would show nothing."""
    for index in range(2):
        with Client.from_url(world.shards.url(index, "sluice_shard")) as client:
            assert client.execute("SELECT count() FROM readings")[0][0] > 0
