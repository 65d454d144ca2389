"""A collector that takes uploads alone, and a Kafka whose topic does not take them."""

import asyncio
import json
from pathlib import Path

import aiohttp

from infra.endpoints import kafka_bootstrap, read_record
from infra.gateway_keys import KEYS_FILE
from infra.ports import HOST
from infra.settings import Settings
from infra.topics import ensure_topics
from tests.conftest import lend_jars, start_part, stop_part
from tests.integration.test_collectors_kafka import limit_records

KEY = bytes(range(32)).hex()
BODY = b'{"v":1,"upload":"U1","readings":[{"address":"1","register":"1","read_at":"2026-03-02T12:00:00+08:00"}]}'
ENDED_S = 60


async def post(settings: Settings) -> int:
    record = read_record(settings, "collector")
    assert record is not None
    url = f"http://{HOST}:{record.ports['upload']}/v1/gateways/G1/rounds"
    headers = {"Authorization": f"Bearer {KEY}"}
    async with aiohttp.ClientSession() as client, client.post(url, data=BODY, headers=headers) as answer:
        return answer.status


def own_settings(folder: Path) -> Settings:
    """Of a collector that reads no gateways, and a Kafka of its own."""
    lend_jars(folder)
    settings = Settings(data_dir=folder, kafka="", partitions=2, replication=1)
    (folder / "registry.json").write_text('{"sites": []}')
    (folder / "uploads.json").write_text(json.dumps({"gateways": {"G1": "S1"}, "http": {"host": HOST}}))
    (folder / KEYS_FILE).write_text(json.dumps({"G1": KEY}))
    return settings


def test_a_collector_of_uploads_alone_ends_by_a_producer_that_failed_for_good(tmp_path: Path) -> None:
    """No session is there to end it, and whatever came later would be refused for ever."""
    settings = own_settings(tmp_path)
    server = start_part(settings, "kafka")
    try:
        ensure_topics(kafka_bootstrap(settings), settings)
        collector = start_part(settings, "collector")
        try:
            limit_records(kafka_bootstrap(settings), 10)
            assert asyncio.run(post(settings)) == 503
            assert collector.wait(ENDED_S) != 0
        finally:
            collector.kill()
            collector.communicate()
    finally:
        stop_part(server)


def test_an_upload_that_the_topic_does_not_take_is_refused_each_time(tmp_path: Path) -> None:
    """A topic that somebody else made may take less than Sluice's own."""
    settings = own_settings(tmp_path)
    server = start_part(settings, "kafka")
    try:
        ensure_topics(kafka_bootstrap(settings), settings)
        limit_records(kafka_bootstrap(settings), 10)
        collector = start_part(settings, "collector")
        try:
            assert [asyncio.run(post(settings)) for _ in range(2)] == [400, 400]
        finally:
            assert stop_part(collector) == 0
    finally:
        stop_part(server)
