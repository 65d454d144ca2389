"""The sink as a process between real Kafka and ClickHouse: each row exactly once, whatever is killed and when."""

import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from clickhouse_driver import Client

from infra.endpoints import clickhouse_url, kafka_bootstrap
from infra.settings import Settings
from tests.conftest import start_part, stop_part
from tests.integration.sink_world import CAUGHT_UP_S, PARTITIONS, STEPS_MAX, World, kill


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("sink"))
    yield world
    world.close()


@pytest.fixture
def chance() -> random.Random:
    seed = int(os.environ.get("SLUICE_TEST_SEED") or random.SystemRandom().randrange(2**32))
    print(f"SLUICE_TEST_SEED={seed}")
    return random.Random(seed)


def test_a_stop_and_a_start_lose_and_repeat_nothing(world: World, chance: random.Random) -> None:
    world.feed(5, chance)
    sink = world.start_sink()
    world.wait_until_caught_up()
    assert stop_part(sink) == 0
    world.check()
    world.feed(5, chance)
    sink = world.start_sink()
    world.feed(5, chance)
    world.wait_until_caught_up()
    assert stop_part(sink) == 0
    world.check()


@pytest.mark.parametrize("kills", [4, pytest.param(40, marks=pytest.mark.fuzz)])
def test_kill_9_of_the_sink_at_any_moment(world: World, chance: random.Random, kills: int) -> None:
    feeder = threading.Thread(target=world.feed, args=(12 * kills, random.Random(chance.random())))
    feeder.start()
    before = world.log().count("finishing a block") if (world.settings.log_dir / "sink.log").exists() else 0
    for _ in range(kills):
        world.wait_until_dead(world.start_sink(dies_at=chance.randint(1, STEPS_MAX)))
    sink = world.start_sink()
    feeder.join()
    world.wait_until_caught_up()
    assert stop_part(sink) == 0
    world.check()
    assert world.log().count("finishing a block") > before, "no kill fell into a block"


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.fuzz)])
def test_kill_9_of_clickhouse_while_the_sink_writes(world: World, chance: random.Random, kills: int) -> None:
    sink = world.start_sink()
    feeder = threading.Thread(target=world.feed, args=(20 * kills, random.Random(chance.random())))
    feeder.start()
    for number in range(kills):
        world.watch(sink, chance.randint(1, STEPS_MAX))
        world.kill_clickhouse(chance)
        if number == kills - 1:
            kill(sink)
        world.start_clickhouse()
    sink = world.start_sink()
    feeder.join()
    world.wait_until_caught_up()
    assert stop_part(sink) == 0
    world.check()


def test_kill_9_of_kafka_while_the_sink_reads(world: World, chance: random.Random) -> None:
    world.feed(15, chance)
    sink = world.start_sink()
    world.watch(sink, chance.randint(1, STEPS_MAX))
    kill(world.kafka)
    world.kafka = start_part(world.settings, "kafka")
    world.feed(5, chance)
    world.wait_until_caught_up()
    assert stop_part(sink) == 0
    world.check()


def test_the_topic_read_again_from_offset_0_adds_no_row(world: World, chance: random.Random) -> None:
    """Into the same tables, after somebody cleared the sink's records; it is killed on the way."""
    world.feed(15, chance)
    sink = world.start_sink()
    world.wait_until_caught_up()
    assert stop_part(sink) == 0
    client = Client.from_url(clickhouse_url(world.settings))
    for table in ("sink_blocks", "sink_positions"):
        client.execute(f"TRUNCATE TABLE {table}")
    client.disconnect()
    assert world.query_positions() == {}
    for _ in range(2):
        world.wait_until_dead(world.start_sink(dies_at=chance.randint(1, STEPS_MAX)))
    sink = world.start_sink()
    world.wait_until_caught_up()
    assert stop_part(sink) == 0
    world.check()


def test_two_sinks_at_once(world: World, chance: random.Random, tmp_path: Path) -> None:
    """Even where no lock of one data directory keeps them apart, all rows are there once and one sink ends."""
    elsewhere = Settings(
        data_dir=tmp_path,
        kafka=kafka_bootstrap(world.settings),
        clickhouse=clickhouse_url(world.settings),
        partitions=PARTITIONS,
    )
    running = [world.start_sink(), world.start_sink(elsewhere)]
    feeder = threading.Thread(target=world.feed, args=(25, random.Random(chance.random())))
    feeder.start()
    ended: subprocess.Popen[str] | None = None
    deadline = time.monotonic() + CAUGHT_UP_S
    while ended is None and time.monotonic() < deadline:
        ended = next((process for process in running if process.poll() is not None), None)
        time.sleep(0.02)
    feeder.join()
    assert ended is not None, "neither noticed the other"
    world.wait_until_caught_up()
    running.remove(ended)
    with ended:
        assert ended.returncode == 1
    assert stop_part(running[0]) == 0
    logs = world.log() + (elsewhere.log_dir / "sink.log").read_text()
    assert "which runs as well" in logs
    world.check()


def test_a_stopped_sink_that_wakes_behind_another(world: World, chance: random.Random, tmp_path: Path) -> None:
    """SIGSTOP while it writes; another one takes over; then the first goes on where it was."""
    elsewhere = Settings(
        data_dir=tmp_path,
        kafka=kafka_bootstrap(world.settings),
        clickhouse=clickhouse_url(world.settings),
        partitions=PARTITIONS,
    )
    first = world.start_sink()
    feeder = threading.Thread(target=world.feed, args=(20, random.Random(chance.random())))
    feeder.start()
    world.watch(first, chance.randint(1, STEPS_MAX))
    first.send_signal(signal.SIGSTOP)
    second = world.start_sink(elsewhere)
    world.watch(second, chance.randint(1, STEPS_MAX))
    first.send_signal(signal.SIGCONT)
    feeder.join()
    world.wait_until_caught_up()
    # Which of them gives way is chance.
    for process in (first, second):
        process.send_signal(signal.SIGTERM)
        with process:
            assert process.wait(timeout=30) in (0, 1)
    world.check()
