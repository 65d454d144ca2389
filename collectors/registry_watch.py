"""Looks whether the registry was changed, and has it taken while the collector runs."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

from collectors.registry import Registry, RegistryError, read_registry

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 2.0


class RegistryWatch:
    """Follows the registry's file. One with a fault is told of in the log; what was taken before goes on."""

    def __init__(self, path: Path, taken: Registry, *, look_every_s: float = LOOK_EVERY_S) -> None:
        self._path = path
        self._taken = taken
        self._look_every_s = look_every_s

    async def run(self, take: Callable[[Registry], Awaitable[None]]) -> None:
        """Hand every further registry to `take`, until cancelled."""
        stamp = None
        while True:
            # The file is read once after the start: it may have changed since it was read for that.
            if (now := self._stamp()) != stamp:
                stamp = now
                await self._look(take)
            await asyncio.sleep(self._look_every_s)

    async def _look(self, take: Callable[[Registry], Awaitable[None]]) -> None:
        try:
            registry = await asyncio.to_thread(read_registry, self._path)
        except RegistryError as error:
            log.error("registry not taken; the gateways go on as they were", error=str(error))
            return
        if registry == self._taken:
            return
        if (registry.dial_in_host, registry.dial_in_port) != (self._taken.dial_in_host, self._taken.dial_in_port):
            log.warning("gateways still dial in at the old place until the collector is started again")
        self._taken = registry
        await take(registry)

    def _stamp(self) -> tuple[int, int, int] | None:
        """What tells one state of the file from another; None while there is none."""
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size
