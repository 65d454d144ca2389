"""The ways by which gateways upload: a POST, or a message to a broker."""

import asyncio
import json
from types import TracebackType
from typing import Self

import aiohttp
import aiomqtt
import structlog

log = structlog.get_logger(__name__)

_ANSWER_S = 10.0
TAKEN = 202


class Poster:
    """Posts the rounds of one gateway; a context manager."""

    def __init__(self, url: str, gateway: str, key: str) -> None:
        """Post to the collector's `url` as `gateway`, whose key is in hexadecimal."""
        self._address = f"{url}/v1/gateways/{gateway}/rounds"
        self._gateway = gateway
        self._client = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {key}"}, timeout=aiohttp.ClientTimeout(total=_ANSWER_S)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    async def send(self, body: bytes) -> bool:
        """See `Send`."""
        try:
            async with self._client.post(self._address, data=body) as answer:
                if answer.status != TAKEN:
                    log.warning("upload not taken", gateway=self._gateway, answer=await answer.text())
                return answer.status == TAKEN
        except (aiohttp.ClientError, TimeoutError) as error:
            log.debug("upload failed", gateway=self._gateway, error=str(error))
            return False


class MqttPublisher:
    """Publishes the rounds of one gateway, and waits for the collector's answers; a context manager."""

    def __init__(self, host: str, port: int, gateway: str, *, prefix: str = "sluice") -> None:
        self._topic = f"{prefix}/{gateway}"
        self._gateway = gateway
        self._host, self._port = host, port
        self._client: aiomqtt.Client | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leave()

    async def send(self, body: bytes) -> bool:
        """See `Send`."""
        try:
            async with asyncio.timeout(_ANSWER_S):
                client = await self._connected()
                await client.publish(f"{self._topic}/rounds", body, qos=1)
                return await self._answer_to(client, json.loads(body)["upload"])
        except (aiomqtt.MqttError, TimeoutError) as error:
            log.debug("upload failed", gateway=self._gateway, error=str(error))
            await self._leave()
            return False

    async def _connected(self) -> aiomqtt.Client:
        if self._client is None:
            client = aiomqtt.Client(self._host, self._port, identifier=self._gateway)
            await client.__aenter__()
            self._client = client
            await client.subscribe(f"{self._topic}/answers", qos=1)
        return self._client

    async def _answer_to(self, client: aiomqtt.Client, upload: str) -> bool:
        """Wait for the collector's word on an upload; what it says of earlier ones is passed over."""
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            told = json.loads(message.payload)
            if told.get("upload") == upload:
                return bool(told["status"] == TAKEN)
            if "upload" not in told:
                log.warning("upload not taken", gateway=self._gateway, answer=told)
                return False
        return False

    async def _leave(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            try:
                await client.__aexit__(None, None, None)
            except aiomqtt.MqttError as error:
                log.debug("broker gone", gateway=self._gateway, error=str(error))
