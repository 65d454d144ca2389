"""A collector that takes uploads alone, whose Kafka producer fails for good."""

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


def test_a_collector_of_uploads_alone_ends_by_a_producer_that_failed_for_good(tmp_path: Path) -> None:
    """No session is there to end it, and whatever came later would be refused for ever."""
    lend_jars(tmp_path)
    settings = Settings(data_dir=tmp_path, kafka="", partitions=2, replication=1)
    (tmp_path / "registry.json").write_text('{"sites": []}')
    (tmp_path / "uploads.json").write_text(json.dumps({"gateways": {"G1": "S1"}, "http": {"host": HOST}}))
    (tmp_path / KEYS_FILE).write_text(json.dumps({"G1": KEY}))
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
