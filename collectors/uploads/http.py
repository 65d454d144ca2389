"""Uploads by HTTP: `POST /v1/gateways/GATEWAY/rounds`, answered when Kafka has them."""

import asyncio
import hashlib
import hmac
import json
import ssl
from typing import Final

import structlog
from aiohttp import web
from kafka.errors import KafkaError

from collectors.uploads.body import BODY_BYTES_MAX
from collectors.uploads.errors import UploadError
from collectors.uploads.intake import UploadConflict, UploadIntake
from infra.gateway_keys import GatewayKeys

log = structlog.get_logger(__name__)

SIGNATURE_HEADER: Final = "Sluice-Signature"
_STOP_S: Final = 5.0
_BODY_S: Final = 600.0
"""For a body to come: a mebibyte at 14 kbit/s. Who begins one and never ends it is not waited for."""
_PLAIN: Final = "identity"


class UploadServer:
    """An HTTP server for gateways that have a key; the others are refused."""

    def __init__(self, intake: UploadIntake, *, keys: GatewayKeys) -> None:
        self._intake = intake
        self._keys = keys
        app = web.Application(client_max_size=BODY_BYTES_MAX)
        app.router.add_post("/v1/gateways/{gateway}/rounds", self._post)
        # A few hundred kilobytes would unpack to so much that nothing else is done for a second, before anybody's key
        # is looked at.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_STOP_S, auto_decompress=False)

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None) -> int:
        """Listen; returns the port."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, ssl_context=tls)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Finish what is under way, and end."""
        await self._runner.cleanup()

    async def _post(self, request: web.Request) -> web.Response:
        gateway = request.match_info["gateway"]
        key = self._keys.get(gateway) if gateway in self._intake.sites else None
        if request.headers.get("Content-Encoding", _PLAIN).lower() != _PLAIN:
            return _refusal(415, "is compressed: send it as it is")
        try:
            async with asyncio.timeout(_BODY_S):
                body = await request.read()
        except TimeoutError:
            return _refusal(408, f"did not come within {_BODY_S:.0f} s")
        except web.HTTPRequestEntityTooLarge:
            return _refusal(413, f"is longer than {BODY_BYTES_MAX} bytes")
        # An unknown gateway is answered as a wrong key is: nobody learns here which there are.
        if key is None or not _is_from(request, key, body):
            return _refusal(401, "the gateway is not known, or its key is not right")
        try:
            taken = await self._intake.take(gateway, body)
        except UploadError as error:
            return _refusal(400, error.reason, field=error.field)
        except UploadConflict as error:
            return _refusal(409, str(error), field="upload")
        except KafkaError as error:
            log.error("upload not taken", gateway=gateway, error=repr(error))
            return _refusal(503, "not taken: send it again")
        return web.json_response(taken.told(), status=202)


def _is_from(request: web.Request, key: bytes, body: bytes) -> bool:
    """Whether a request shows the gateway's key itself, or the body's HMAC by it."""
    signature = request.headers.get(SIGNATURE_HEADER)
    if signature is not None:
        made = hmac.new(key, body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(signature.encode(errors="replace"), made.encode())
    shown = request.headers.get("Authorization", "")
    return hmac.compare_digest(shown.encode(errors="replace"), f"Bearer {key.hex()}".encode())


def _refusal(status: int, reason: str, *, field: str = "") -> web.Response:
    return web.json_response({"error": reason, "field": field}, status=status, dumps=json.dumps)
