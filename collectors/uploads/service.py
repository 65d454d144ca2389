"""All ways of uploading that a plan names, as one thing to start and to stop."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Self

from collectors.uploads.http import UploadServer
from collectors.uploads.intake import UploadBook, UploadIntake
from collectors.uploads.mqtt import UploadSubscriber
from collectors.uploads.plan import UploadPlan, http_tls, mqtt_password, mqtt_tls
from collectors.wire.round import Round
from infra.clock import Clock
from infra.gateway_keys import GatewayKeys


class UploadService:
    """Takes uploads until stopped.

    Attributes:
        port: Where the HTTP server listens; 0 if there is none.
        tasks: Run for as long as the service does; one that ends has failed.
    """

    def __init__(self, book: UploadBook, server: UploadServer | None, port: int) -> None:
        self._book = book
        self._server = server
        self.port = port
        self.tasks: list[asyncio.Task[None]] = []

    @classmethod
    async def start(
        cls,
        plan: UploadPlan,
        data_dir: Path,
        *,
        clock: Clock,
        keys: GatewayKeys,
        publish: Callable[[Round], Awaitable[None]],
    ) -> Self:
        """Listen and subscribe.

        Raises:
            UploadPlanError: A certificate or a password of the plan cannot be used.
        """
        tls = http_tls(plan.http, data_dir) if plan.http is not None else None
        mqtt = None if plan.mqtt is None else (mqtt_password(plan.mqtt, data_dir), mqtt_tls(plan.mqtt, data_dir))
        book = UploadBook(data_dir / "collector" / "uploads.sqlite", now_ms=clock.now_ms())
        intake = UploadIntake(plan.gateways, clock=clock, publish=publish, book=book)
        server, port = None, 0
        if plan.http is not None:
            server = UploadServer(intake, keys=keys)
            port = await server.start(plan.http.host, plan.http.port, tls)
        service = cls(book, server, port)
        if plan.mqtt is not None and mqtt is not None:
            password, context = mqtt
            subscriber = UploadSubscriber(plan.mqtt, intake, password=password, tls=context)
            service.tasks.append(asyncio.create_task(subscriber.run(), name="mqtt"))
        return service

    async def stop(self) -> None:
        """Answer what is under way, and end; what Kafka does not have is not answered as taken."""
        if self._server is not None:
            await self._server.stop()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self._book.close()
