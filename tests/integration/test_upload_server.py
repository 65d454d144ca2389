"""The HTTP server of uploads over a real TLS socket, with a Kafka that fails or does not answer."""

import asyncio
import gzip
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from kafka.errors import KafkaError

from collectors.publisher import RoundTooLargeError
from collectors.uploads.http import UploadServer
from collectors.uploads.intake import UploadBook, UploadIntake
from collectors.uploads.plan import HttpPlan, MqttPlan, UploadPlanError, http_tls, mqtt_password, mqtt_tls
from collectors.wire.round import Round
from infra.ports import HOST
from tests.integration.collector_lines import NOON_MS, Published, SetClock, awaited

KEY = bytes(range(32))
BODY = b'{"v":1,"upload":"U1","readings":[{"address":"1","register":"1","read_at":"2026-03-02T12:00:00+08:00"}]}'
TLS = HttpPlan(certificate="cert.pem", private_key="key.pem")


class Post:
    """A server with a certificate of its own, and a client that trusts it."""

    def __init__(self, folder: Path, publish: Callable[[Round], Awaitable[None]]) -> None:
        self._folder = folder
        names = ["-subj", "/CN=localhost", "-addext", f"subjectAltName=IP:{HOST}"]
        files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names, *files]
        subprocess.run(command, check=True, capture_output=True)
        self._book = UploadBook(folder / "uploads.sqlite", now_ms=NOON_MS)
        intake = UploadIntake({"G1": "S1"}, clock=SetClock(), publish=publish, book=self._book)
        self._server = UploadServer(intake, keys={"G1": KEY})
        self._port = 0

    async def __aenter__(self) -> "Post":
        self._port = await self._server.start(HOST, 0, http_tls(TLS, self._folder))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop()
        self._book.close()

    async def __call__(self, body: bytes = BODY, encoding: str = "identity") -> tuple[int, bool | None]:
        """Status, and whether it was a repeat."""
        trusted = ssl.create_default_context(cafile=self._folder / "cert.pem")
        headers = {"Authorization": f"Bearer {KEY.hex()}", "Content-Encoding": encoding}
        url = f"https://{HOST}:{self._port}/v1/gateways/G1/rounds"
        async with (
            aiohttp.ClientSession() as client,
            client.post(url, data=body, headers=headers, ssl=trusted) as answer,
        ):
            return answer.status, (await answer.json()).get("repeat")


@awaited
async def test_what_kafka_did_not_take_is_not_answered_as_taken(tmp_path: Path) -> None:
    failures = [KafkaError("away")]
    taken: list[Round] = []

    async def publish(one: Round) -> None:
        if failures:
            raise failures.pop()
        taken.append(one)

    async with Post(tmp_path, publish) as post:
        assert await post() == (503, None)
        assert await post() == (202, False)
        assert await post() == (202, True)
        assert len(taken) == 1


@awaited
async def test_what_the_topic_never_takes_is_not_answered_as_taken(tmp_path: Path) -> None:
    async def publish(_: Round) -> None:
        raise RoundTooLargeError("larger than `max_request_size`", 2_000_000)

    async with Post(tmp_path, publish) as post:
        for _ in range(2):
            assert await post() == (400, None)


@awaited
async def test_nothing_is_unpacked_for_whoever_sends_it(tmp_path: Path) -> None:
    taken = Published()
    async with Post(tmp_path, taken.publish) as post:
        assert await post(gzip.compress(BODY), "gzip") == (415, None)
        assert taken.rounds.empty()
        assert await post() == (202, False)


@awaited
async def test_a_body_that_does_not_end_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collectors.uploads.http._BODY_S", 0.0)
    book = UploadBook(tmp_path / "uploads.sqlite", now_ms=NOON_MS)
    intake = UploadIntake({"G1": "S1"}, clock=SetClock(), publish=Published().publish, book=book)
    server = UploadServer(intake, keys={"G1": KEY})
    reader, writer = await asyncio.open_connection(HOST, await server.start(HOST, 0, None))
    try:
        writer.write(b"POST /v1/gateways/G1/rounds HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n{")
        assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
    finally:
        writer.close()
        await writer.wait_closed()
        await server.stop()
        book.close()


@awaited
async def test_no_answer_comes_before_kafka_has_it_and_the_same_upload_waits_its_turn(tmp_path: Path) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()
    taken: list[Round] = []

    async def publish(one: Round) -> None:
        asked.set()
        await go_on.wait()
        taken.append(one)

    async with Post(tmp_path, publish) as post:
        posts = [asyncio.create_task(post()) for _ in range(2)]
        await asked.wait()
        assert not any(each.done() for each in posts)
        go_on.set()
        assert sorted(await asyncio.gather(*posts)) == [(202, False), (202, True)]
        assert len(taken) == 1


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(UploadPlanError, match=r"certificate cert\.pem"):
        http_tls(TLS, tmp_path)
    with pytest.raises(UploadPlanError, match=r"authority ca\.pem"):
        mqtt_tls(MqttPlan(host="h", tls=True, authority="ca.pem"), tmp_path)
    with pytest.raises(UploadPlanError, match="password_file secret"):
        mqtt_password(MqttPlan(host="h", password_file="secret"), tmp_path)
    assert http_tls(HttpPlan(), tmp_path) is mqtt_tls(MqttPlan(host="h"), tmp_path) is None
