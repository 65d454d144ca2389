"""Uploads by MQTT over Debian's broker, with a Kafka that refuses, and with bodies that are none."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from kafka.errors import KafkaError
from structlog.testing import capture_logs

from collectors.uploads.intake import UploadBook, UploadIntake
from collectors.uploads.mqtt import UploadSubscriber
from collectors.uploads.plan import MqttPlan
from collectors.wire.round import Round
from infra.ports import HOST
from tests.integration.collector_lines import NOON_MS, Published, SetClock, awaited
from tests.integration.mosquitto import PASSWORD, USER, Mosquitto


def body(upload: str, register: str = "1") -> bytes:
    readings = [{"address": "1", "register": register, "read_at": "2026-03-02T12:00:00+08:00"}]
    return json.dumps({"v": 1, "upload": upload, "readings": readings}).encode()


@contextlib.asynccontextmanager
async def following(folder: Path, publish: Callable[[Round], Awaitable[None]]) -> AsyncIterator[aiomqtt.Client]:
    """A gateway's client that hears the answers to G1, at a broker that a subscriber follows for as long."""
    broker = Mosquitto(folder / "mosquitto")
    broker.start()
    book = UploadBook(folder / "uploads.sqlite", now_ms=NOON_MS)
    intake = UploadIntake({"G1": "S1"}, clock=SetClock(), publish=publish, book=book)
    plan = MqttPlan(host=HOST, port=broker.port, user=USER)
    subscriber = UploadSubscriber(plan, intake, password=PASSWORD, tls=None)
    try:
        async with asyncio.TaskGroup() as tasks, broker.client("G1") as gateway:
            # If it ended, the group would end the test by that.
            task = tasks.create_task(subscriber.run())
            await subscriber.connected.wait()
            await gateway.subscribe("sluice/G1/answers", qos=1)
            yield gateway
            task.cancel()
    finally:
        book.close()
        broker.stop()


async def next_answer(gateway: aiomqtt.Client) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads((await anext(aiter(gateway.messages))).payload)
    return answer


@awaited
async def test_what_kafka_refuses_stays_with_the_broker_until_it_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collectors.uploads.mqtt.RETRY_S", 0.0)
    failures, taken = [KafkaError("away"), KafkaError("away")], Published()

    async def publish(one: Round) -> None:
        if failures:
            raise failures.pop()
        await taken.publish(one)

    with capture_logs() as logs:
        async with following(tmp_path, publish) as gateway:
            for upload in ("U1", "U2"):
                await gateway.publish("sluice/G1/rounds", body(upload), qos=1)
            answers = [await next_answer(gateway) for _ in range(2)]
    assert [(answer["upload"], answer["status"], answer["repeat"]) for answer in answers] == [
        ("U1", 202, False),
        ("U2", 202, False),
    ]
    assert taken.rounds.qsize() == 2
    assert sum(line["event"] == "upload not taken by Kafka" for line in logs) == 2


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(body("U\ud800"), id="identity"),
        pytest.param(b'{"v": 1, "upload": "U1", "\\ud800": 1}', id="field"),
        pytest.param(b'{"\\ud800": 1, "\\ud800": 2}', id="twice"),
        pytest.param(b"\xff\xfe", id="no text"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_a_body_of_no_use_is_answered_and_holds_up_none_behind_it(tmp_path: Path, value: bytes) -> None:
    @awaited
    async def run() -> None:
        taken = Published()
        async with following(tmp_path, taken.publish) as gateway:
            for each in (value, body("U2")):
                await gateway.publish("sluice/G1/rounds", each, qos=1)
            assert [(await next_answer(gateway))["status"] for _ in range(2)] == [400, 202]
        assert taken.rounds.qsize() == 1

    run()
