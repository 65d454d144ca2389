"""Uploads by MQTT: gateways publish to `PREFIX/GATEWAY/rounds`, and are answered on `PREFIX/GATEWAY/answers`.

QoS 1 and a session that the broker keeps: what is published while the collector is away comes when it is back, and the
broker forgets a message only when Kafka has its rounds. Who may publish as which gateway is the broker's to say.
"""

import asyncio
import json
import ssl
from typing import Any, Final

import aiomqtt
import structlog
from kafka.errors import KafkaError

from collectors.uploads.errors import UploadError
from collectors.uploads.intake import UploadConflict, UploadIntake
from collectors.uploads.plan import MqttPlan

log = structlog.get_logger(__name__)

RETRY_S: Final = 1.0
RETRY_S_MAX: Final = 60.0
_KEEPALIVE_S: Final = 30


class UploadSubscriber:
    """Follows a broker until cancelled, through all its absences.

    Attributes:
        connected: Set while the subscription stands.
    """

    def __init__(
        self, plan: MqttPlan, intake: UploadIntake, *, password: str | None, tls: ssl.SSLContext | None
    ) -> None:
        self._plan = plan
        self._intake = intake
        self._password = password
        self._tls = tls
        self.connected = asyncio.Event()

    async def run(self) -> None:
        """Take what is published, and connect again, ever less often, while the broker is away."""
        wait_s = RETRY_S
        while True:
            _heed_cancelling()
            try:
                async with self._client() as client:
                    await client.subscribe(f"{self._plan.prefix}/+/rounds", qos=1)
                    _heed_cancelling()
                    log.info("uploads by MQTT", broker=f"{self._plan.host}:{self._plan.port}")
                    self.connected.set()
                    wait_s = RETRY_S
                    async for message in client.messages:
                        await self._take(client, message)
                        _heed_cancelling()
            except aiomqtt.MqttError as error:
                log.warning("MQTT broker away", error=str(error), again_in_s=wait_s)
            except KafkaError as error:
                # What was being taken was not acknowledged, so the broker has it still.
                log.warning("upload not taken by Kafka", error=repr(error), again_in_s=wait_s)
            finally:
                self.connected.clear()
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, RETRY_S_MAX)

    def _client(self) -> aiomqtt.Client:
        plan = self._plan
        client = aiomqtt.Client(
            plan.host,
            plan.port,
            username=plan.user or None,
            password=self._password,
            identifier=plan.client,
            clean_session=False,
            keepalive=_KEEPALIVE_S,
            tls_context=self._tls,
        )
        _paho(client).manual_ack_set(True)
        return client

    async def _take(self, client: aiomqtt.Client, message: aiomqtt.Message) -> None:
        """Take one message and acknowledge it: taken, or of no use however often it came."""
        gateway = str(message.topic).removeprefix(f"{self._plan.prefix}/").removesuffix("/rounds")
        if gateway in self._intake.sites:
            answer = await self._answer(gateway, message.payload)
            topic = f"{self._plan.prefix}/{gateway}/answers"
            await client.publish(topic, json.dumps(answer, ensure_ascii=False), qos=1)
        else:
            log.warning("upload of an unknown gateway", gateway=gateway)
        _paho(client).ack(message.mid, message.qos)

    async def _answer(self, gateway: str, body: Any) -> dict[str, str | int | bool]:
        try:
            taken = await self._intake.take(gateway, body if isinstance(body, bytes) else b"")
        except UploadError as error:
            log.warning("upload refused", gateway=gateway, error=str(error))
            return {"status": 400, "error": error.reason, "field": error.field}
        except UploadConflict as error:
            log.warning("upload refused", gateway=gateway, error=str(error))
            return {"status": 409, "error": str(error), "field": "upload"}
        return {"status": 202, **taken.told()}


def _heed_cancelling() -> None:
    """End if that was asked for.

    The client waits by `asyncio.wait_for`, which until Python 3.12 loses a cancellation that comes together with what
    it waits for: then nobody would end what follows.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _paho(client: aiomqtt.Client) -> Any:
    """The client below, which alone can leave the acknowledgement to whoever takes the message."""
    return client._client
