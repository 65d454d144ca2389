"""Raw frames go from Kafka to ClickHouse, each of them, and those that are copied again replace themselves."""

import threading
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from clickhouse_driver import Client
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient

from collectors.wire.round import Block, Round, encode_round
from infra.settings import Settings
from sinks.clickhouse.frames import FRAMES, FramesCopy
from sinks.clickhouse.positions import positions
from sinks.clickhouse.reader import PostingsReader
from sinks.server import copy_frames
from tests.integration.clickhouse_places import own_database

AT = datetime(2026, 1, 5, 8, tzinfo=UTC)
AT_MS = round(AT.timestamp() * 1000)


def made_round(number: int) -> Round:
    """Two meters' energy, of equal lengths, and one relay's answer of another length."""
    return Round(
        "东区",
        f"G{number}",
        AT_MS + number,
        (
            Block.of_frames("ddsy1352", "energy", [1, 2], [AT_MS, AT_MS + 60], [b"\x68\x00\xff", bytes([number] * 3)]),
            Block.of_frames("ddsy1352", "relay", [1, 2], [AT_MS, AT_MS + 60], [b"\x16", b""]),
        ),
    )


@pytest.fixture
def topic(kafka: str) -> Iterator[str]:
    name = f"frames-{uuid.uuid4().hex[:12]}"
    with closing(KafkaAdminClient(bootstrap_servers=kafka)) as admin:
        admin.create_topics({name: {"num_partitions": 2, "replication_factor": 1}})
        admin.wait_for_topics([name], timeout_ms=30_000)
        yield name


def copy_all(kafka: str, topic: str, url: str, frames: int) -> None:
    """Copy until so many frames are, as a process that begins and ends."""
    reader = PostingsReader(kafka, topic, block_bytes=200, linger_s=0.0)
    with closing(reader), closing(FramesCopy(url, reader)) as copy:
        copy.recover()
        copied = 0
        while copied < frames:
            copied += copy.step()
        assert copied == frames


def rows(client: Any) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = client.execute(
        "SELECT site, gateway, address, template, item, read_at, collected_at, hex(frame), partition, line"
        " FROM frames_raw FINAL ORDER BY gateway, line"
    )
    return found


def test_every_frame_is_copied_once(kafka: str, clickhouse: str, topic: str) -> None:
    with own_database(clickhouse, "raw") as url, Client.from_url(url) as client:
        with closing(KafkaProducer(bootstrap_servers=kafka)) as producer:
            for number in range(3):
                producer.send(topic, encode_round(made_round(number)), partition=number % 2)
            producer.send(topic, b"no round", partition=0)
            producer.flush()
        copy_all(kafka, topic, url, 12)
        found = rows(client)
        second = AT.replace(microsecond=60_000)
        for number in range(3):
            collected = AT.replace(microsecond=1000 * number)
            of_round = ("东区", f"G{number}")
            assert found[4 * number : 4 * number + 4] == [
                (*of_round, 1, "ddsy1352", "energy", AT, collected, "6800FF", number % 2, 0),
                (*of_round, 2, "ddsy1352", "energy", second, collected, f"{number:02X}" * 3, number % 2, 1),
                (*of_round, 1, "ddsy1352", "relay", AT, collected, "16", number % 2, 2),
                (*of_round, 2, "ddsy1352", "relay", second, collected, "", number % 2, 3),
            ]
        # The next process goes on behind what is copied.
        with closing(KafkaProducer(bootstrap_servers=kafka)) as producer:
            producer.send(topic, encode_round(made_round(3)), partition=1)
            producer.flush()
        copy_all(kafka, topic, url, 4)
        found = rows(client)
        assert len(found) == 16
        # One whose positions are lost copies everything again, and nothing is there twice.
        client.execute("TRUNCATE TABLE sink_positions")
        copy_all(kafka, topic, url, 16)
        assert rows(client) == found
        assert set(positions(client, FRAMES)) == {0, 1}
        assert positions(client) == {}


def test_the_sinks_process_copies_until_it_is_told_to_end(
    kafka: str, clickhouse: str, topic: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sinks.server.METER_FRAMES", topic)
    with own_database(clickhouse, "raw") as url, Client.from_url(url) as client:
        settings = Settings(data_dir=tmp_path, kafka=kafka, clickhouse=url, raw_days=30)
        stop = threading.Event()
        copying = threading.Thread(target=copy_frames, args=(settings, stop))
        copying.start()
        try:
            with closing(KafkaProducer(bootstrap_servers=kafka)) as producer:
                producer.send(topic, encode_round(made_round(1)), partition=1)
                producer.flush()
            # The copy tells nobody; the test's time limit ends this.
            while not rows(client):
                assert copying.is_alive()
        finally:
            stop.set()
            copying.join()
        assert len(rows(client)) == 4
