"""Uploads over real HTTP and MQTT through a real Kafka into a real ledger; stored rounds of days in any order."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import random
import re
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from collectors.uploads.intake import UploadBook, UploadIntake
from collectors.uploads.mqtt import UploadSubscriber
from collectors.uploads.plan import MqttPlan, read_upload_plan
from collectors.wire.round import Round
from infra.endpoints import read_record
from infra.gateway_keys import KEYS_FILE
from infra.ports import HOST
from infra.topics import METER_FRAMES, partition_of
from streams.core.localtime import format_time
from streams.core.outcome import Flag
from tests.conftest import ROOT, start_part, stop_part
from tests.integration.collector_lines import Published, SetClock, awaited
from tests.integration.mosquitto import PASSWORD, USER, Mosquitto
from tests.integration.own_ledger import PARTITIONS, OwnLedger, own_ledger
from tests.ledger_inputs import BEGIN_MS, energy_frames, energy_round, opening_orders

HOUR_MS = 3_600_000
SITES = ("S1", "S2", "S3", "LIVE", "LATER", "MIXED", "BACKWARDS", "DOCS")
KEY = bytes(range(32))
NONE = Flag(0)


@dataclass
class Uploads:
    """A collector that takes uploads of a gateway of each site, and the ledger behind it."""

    ledger: OwnLedger
    broker: "Mosquitto"
    collector: "subprocess.Popen[str]"

    @property
    def url(self) -> str:
        record = read_record(self.ledger.settings, "collector")
        assert record is not None
        return f"http://{HOST}:{record.ports['upload']}"

    async def post(
        self, site: str, body: bytes, *, headers: dict[str, str] | None = None, gateway: str = ""
    ) -> tuple[int, Any]:
        """Status and answer."""
        shown = {"Authorization": f"Bearer {KEY.hex()}"} if headers is None else headers
        address = f"{self.url}/v1/gateways/{gateway or f'{site}-UP'}/rounds"
        async with aiohttp.ClientSession() as client, client.post(address, data=body, headers=shown) as answer:
            return answer.status, await answer.json(content_type=None)

    def kill(self) -> None:
        with self.collector:
            self.collector.send_signal(signal.SIGKILL)

    def start(self) -> None:
        """From the main thread: the collector ends with the thread that started it, and serves all tests."""
        self.collector = start_part(self.ledger.settings, "collector")

    async def settle(self) -> Sequence[tuple[int, int, int, Flag]]:
        return await asyncio.to_thread(self.ledger.settle)


@pytest.fixture(scope="module")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Uploads]:
    folder = tmp_path_factory.mktemp("uploads")
    broker = Mosquitto(folder / "mosquitto")
    broker.start()
    with own_ledger(folder) as ledger:
        gateways = {f"{site}-UP": site for site in SITES}
        plan = {
            "gateways": gateways,
            "http": {"host": HOST},
            "mqtt": {"host": HOST, "port": broker.port, "user": USER, "password_file": "mqtt-password"},
        }
        (folder / "uploads.json").write_text(json.dumps(plan))
        (folder / "mqtt-password").write_text(PASSWORD + "\n")
        (folder / "registry.json").write_text('{"sites": []}')
        (folder / KEYS_FILE).write_text(json.dumps(dict.fromkeys(gateways, KEY.hex())))
        for site in SITES:
            orders = list(opening_orders(site, [f"{site}-UP"], [1, 2]))
            ledger.send_orders(site, orders)
        ledger.settle()
        served = Uploads(ledger, broker, start_part(ledger.settings, "collector"))
        try:
            yield served
        finally:
            stop_part(served.collector)
            broker.stop()


def body(upload: str, readings: list[tuple[str, str, int]]) -> bytes:
    entries = [
        {"address": address, "register": register, "read_at": format_time(at)} for address, register, at in readings
    ]
    return json.dumps({"v": 1, "upload": upload, "readings": entries}).encode()


def at(hours: int) -> int:
    return BEGIN_MS + hours * HOUR_MS


@awaited
async def test_what_was_answered_202_is_in_kafka_and_counts_once_also_across_kill_9(uploads: Uploads) -> None:
    first = body("U1", [("1", "10.5", at(1)), ("2", "20", at(1)), ("1", "11", at(2))])
    taken = {"upload": "U1", "readings": 3, "frames": 0, "rounds": 2}
    assert await uploads.post("S1", first) == (202, taken | {"repeat": False})
    number = partition_of(b"S1", PARTITIONS)
    assert len(await asyncio.to_thread(uploads.ledger.topics.read, METER_FRAMES, number)) == 2, "it waited for Kafka"
    assert await uploads.settle() == [
        (0, 10_500, 10_500, NONE),
        (1, 20_000, 20_000, NONE),
        (0, 11_000, 500, NONE),
    ]
    uploads.kill()
    uploads.start()
    assert await uploads.post("S1", first) == (202, taken | {"repeat": True})
    assert await uploads.settle() == []
    status, answer = await uploads.post("S1", body("U1", [("1", "12", at(3))]))
    assert (status, answer["field"]) == (409, "upload")
    assert await uploads.settle() == []


@awaited
async def test_raw_frames_go_to_the_ledger_as_they_are(uploads: Uploads) -> None:
    frame = energy_frames("dtsy1352", np.array([1], np.uint64), np.array([123_456], np.int64)).tobytes()
    entry = {"address": "1", "template": "dtsy1352", "read_at": format_time(at(1)), "hex": frame.hex()}
    value = json.dumps({"v": 1, "upload": "F1", "frames": [entry]}).encode()
    signature = hmac.new(KEY, value, hashlib.sha256).hexdigest()
    status, _ = await uploads.post("S2", value, headers={"Sluice-Signature": signature})
    assert status == 202
    assert await uploads.settle() == [(0, 1_234_560, 1_234_560, NONE)]


@pytest.mark.parametrize(
    ("value", "headers", "gateway", "status", "field"),
    [
        (b"{", None, "", 400, ""),
        (body("U9", [("1", "x", at(9))]), None, "", 400, "readings[0].register"),
        (b" " * ((1 << 20) + 1), None, "", 413, ""),
        (body("U9", [("1", "1", at(9))]), {}, "", 401, ""),
        (body("U9", [("1", "1", at(9))]), {"Authorization": f"Bearer {bytes(32).hex()}"}, "", 401, ""),
        (body("U9", [("1", "1", at(9))]), {"Sluice-Signature": "0" * 64}, "", 401, ""),
        (body("U9", [("1", "1", at(9))]), None, "S9-UP", 401, ""),
    ],
    ids=["no JSON", "register", "too long", "no key", "wrong key", "wrong signature", "unknown gateway"],
)
def test_what_cannot_be_taken_is_answered_and_not_taken(
    uploads: Uploads, value: bytes, headers: dict[str, str] | None, gateway: str, status: int, field: str
) -> None:
    @awaited
    async def run() -> None:
        answered, answer = await uploads.post("S1", value, headers=headers, gateway=gateway)
        assert (answered, answer["field"]) == (status, field)
        assert answer["error"]
        assert await uploads.settle() == []

    run()


@awaited
async def test_mqtt_keeps_what_is_published_while_the_collector_is_away_and_gives_it_once(uploads: Uploads) -> None:
    async with uploads.broker.client("S3-UP") as gateway:
        await gateway.subscribe("sluice/S3-UP/answers", qos=1)
        answers = aiter(gateway.messages)

        async def publish(value: bytes) -> dict[str, Any]:
            await gateway.publish("sluice/S3-UP/rounds", value, qos=1)
            answer: dict[str, Any] = json.loads((await anext(answers)).payload)
            return answer

        taken = {"status": 202, "upload": "M1", "readings": 1, "frames": 0, "rounds": 1}
        first = body("M1", [("1", "5", at(1))])
        assert await publish(first) == taken | {"repeat": False}
        assert await publish(first) == taken | {"repeat": True}
        refused = await publish(body("M1", [("1", "x", at(2))]))
        assert (refused["status"], refused["field"]) == (400, "readings[0].register")
        assert await uploads.settle() == [(0, 5_000, 5_000, NONE)]

        uploads.kill()
        await gateway.publish("sluice/S3-UP/rounds", body("M2", [("1", "6", at(2))]), qos=1)
        await gateway.publish("sluice/S9-UP/rounds", body("M2", [("1", "6", at(2))]), qos=1)
        await gateway.publish("sluice/S3-UP/rounds", body("M3", [("1", "8", at(3))]), qos=1)
        uploads.start()
        assert [json.loads((await anext(answers)).payload)["upload"] for _ in range(2)] == ["M2", "M3"]
        assert await uploads.settle() == [(0, 6_000, 1_000, NONE), (0, 8_000, 2_000, NONE)]


@awaited
async def test_mqtt_goes_on_when_the_broker_comes_back(uploads: Uploads) -> None:
    await asyncio.to_thread(uploads.broker.stop)
    await asyncio.to_thread(uploads.broker.start)
    async with uploads.broker.client("S3-UP") as gateway:
        await gateway.subscribe("sluice/S3-UP/answers", qos=1)
        await gateway.publish("sluice/S3-UP/rounds", body("M4", [("1", "9", at(4))]), qos=1)
        answer = json.loads((await anext(aiter(gateway.messages))).payload)
        assert (answer["upload"], answer["status"]) == ("M4", 202)
    assert await uploads.settle() == [(0, 9_000, 1_000, NONE)]


class Stuck:
    """A Kafka that does not answer."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def publish(self, _: Round) -> None:
        self.asked.set()
        await asyncio.Event().wait()


@awaited
async def test_the_broker_keeps_a_message_until_kafka_has_its_rounds(tmp_path: Path) -> None:
    broker, stuck, published = Mosquitto(tmp_path / "mosquitto"), Stuck(), Published()
    broker.start()
    plan = MqttPlan(host=HOST, port=broker.port, user=USER)
    book = UploadBook(tmp_path / "uploads.sqlite", now_ms=0)
    try:
        for publish in (stuck.publish, published.publish):
            intake = UploadIntake({"G1": "S1"}, clock=SetClock(at(2)), publish=publish, book=book)
            subscriber = UploadSubscriber(plan, intake, password=PASSWORD, tls=None)
            task = asyncio.create_task(subscriber.run())
            await subscriber.connected.wait()
            if publish == stuck.publish:
                async with broker.client("G1") as gateway:
                    await gateway.publish("sluice/G1/rounds", body("K1", [("1", "1", at(1))]), qos=1)
                await stuck.asked.wait()
            else:
                assert (await published.rounds.get()).gateway == "G1"
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
    finally:
        book.close()
        broker.stop()


READ_HOURS = range(1, 73)


def register_at(address: int, hour: int) -> int:
    """Hundredths of a kWh: uneven use through tiers, bands and days."""
    return address * (hour * 250 + hour * hour // 7)


def stored(address: int, hour: int) -> tuple[str, str, int]:
    return str(address), f"{register_at(address, hour) / 100:.2f}", at(hour)


@awaited
async def test_stored_rounds_that_come_days_late_give_the_balances_of_those_that_came_in_time(uploads: Uploads) -> None:
    rounds = [
        energy_round(
            "LIVE", "LIVE-UP", at=at(hour), addresses=[1, 2], registers=[register_at(1, hour), register_at(2, hour)]
        )
        for hour in READ_HOURS
    ]
    uploads.ledger.send_rounds("LIVE", rounds)
    assert {flags for *_, flags in await uploads.settle()} == {NONE}
    found = [stored(address, hour) for hour in READ_HOURS for address in (1, 2)]

    # In order, day by day.
    for day in range(3):
        status, _ = await uploads.post("LATER", body(f"D{day}", found[day * 48 : day * 48 + 48]))
        assert status == 202
    # In any order within an upload.
    mixed = list(found)
    random.Random(7).shuffle(mixed)
    assert (await uploads.post("MIXED", body("D", mixed)))[0] == 202
    assert {flags for *_, flags in await uploads.settle()} == {NONE}
    balances = uploads.ledger.balances
    assert balances["LATER", 0] == balances["MIXED", 0] == balances["LIVE", 0]

    # The newest day first: the days before are in its consumption already, and change nothing when they come.
    assert (await uploads.post("BACKWARDS", body("D2", found[96:])))[0] == 202
    newest = await uploads.settle()
    before = balances["BACKWARDS", 0]
    for day in (1, 0):
        assert (await uploads.post("BACKWARDS", body(f"D{day}", found[day * 48 : day * 48 + 48])))[0] == 202
    assert {flags for *_, flags in await uploads.settle()} == {Flag.LATE}
    assert balances["BACKWARDS", 0] == before
    assert sum(consumption for _, _, consumption, _ in newest) == 10 * sum(
        register_at(address, 72) for address in (1, 2)
    )


def test_the_examples_of_the_page_about_uploads(uploads: Uploads, tmp_path: Path) -> None:
    text = (ROOT / "docs" / "uploads.md").read_text("utf-8")
    blocks = [block.strip() for block in re.findall(r"(?:^    .*\n)+", text, re.MULTILINE)]
    value, answer = [block for block in blocks if '"upload"' in block]
    (tmp_path / "upload.json").write_text(value)
    gateway = "DOCS-UP"
    environment = {
        **os.environ,
        "URL": uploads.url,
        "GATEWAY": gateway,
        "KEY": KEY.hex(),
        "HOST": HOST,
        "PORT": str(uploads.broker.port),
        "USER": USER,
        "PASSWORD": PASSWORD,
    }
    commands = [block for block in blocks if block.startswith(("curl", "mosquitto_pub"))]
    said = [
        subprocess.run(["sh", "-ec", command], cwd=tmp_path, env=environment, capture_output=True, check=True).stdout
        for command in commands
    ]
    taken = json.loads(answer)
    assert [json.loads(text) for text in said if text] == [taken, taken | {"repeat": True}]
    assert len(said) == 3
    assert uploads.ledger.settle() == []
    rejected = uploads.ledger.sluice("rejected", "list", "--site", "DOCS", "--gateway", gateway, "--json").stdout
    assert {json.loads(line)["reason"] for line in rejected.splitlines()} == {"unknown"}, "they were read"


def test_the_plan_of_the_page_about_uploads_can_be_used(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "uploads.md").read_text("utf-8")
    plan = next(block for block in re.findall(r"(?:^    .*\n)+", text, re.MULTILINE) if '"mqtt"' in block)
    (tmp_path / "uploads.json").write_text(plan)
    read = read_upload_plan(tmp_path)
    assert read is not None
    assert (read.gateways, read.mqtt and read.mqtt.tls) == ({"S1-G07": "S1"}, True)
