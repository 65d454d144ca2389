"""Keeps one member running: starts it, starts it again when it ends, stops it when it shall."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Sequence
from typing import Final

from infra.parts import Member, is_external
from infra.settings import Settings
from infra.supervisor.child import Child, describe_status
from infra.supervisor.events import Event, SupervisorError, What

START_TRIES: Final = 3
"""A member that was never ready is given up after so many tries; one that was is not, however often it ends."""
BACK_OFF_S: Final = (0.2, 10.0)
"""The first and the longest pause before it is started again."""
HEALTHY_S: Final = 20.0
"""Who was ready for so long has got over what ended it before: the pauses begin anew."""
STOP_S: Final = 40.0
"""How long a member may take to end; Kafka closes its logs."""


class Keeper:
    """Runs one member in the event loop of its supervisor.

    Args:
        command: Makes the command that runs the member.
        tell: Called with each event, in their order.
    """

    def __init__(
        self,
        member: Member,
        settings: Settings,
        *,
        command: Callable[[Member], Sequence[str]],
        tell: Callable[[Event], None],
    ) -> None:
        self.member = member
        self._command = command
        self._settings = settings
        self._tell = tell
        self._child: Child | None = None
        self._stopping = asyncio.Event()
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._keeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the member and keep it; returns when it is ready for the first time.

        Raises:
            SupervisorError: It ended each time before it was ready, or was stopped.
        """
        self._keeping = asyncio.create_task(self._keep(), name=self.member.name)
        await asyncio.wait({self._keeping, self._ready}, return_when=asyncio.FIRST_COMPLETED)
        if not self._ready.done():
            self._keeping.result()
            raise SupervisorError(f"{self.member.name} was stopped before it was ready")

    async def stop(self) -> None:
        """End the member; killed if it does not end when asked."""
        self._stopping.set()
        if self._keeping is None:
            return
        self.send(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_S):
                await asyncio.wait({self._keeping})
        except TimeoutError:
            self.send(signal.SIGKILL)
            self._say(What.KILLED, f"did not end within {STOP_S:.0f} s")
            await asyncio.wait({self._keeping})

    def send(self, number: signal.Signals) -> int | None:
        """Send the member's process a signal; returns its number, None if it has no process now."""
        if self._child is None:
            return None
        self._child.send(number)
        return self._child.pid

    async def _keep(self) -> None:
        failures = 0
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            try:
                self._child = child = await Child.start(self.member, self._settings, self._command(self.member))
            except OSError as error:
                # A full table of processes, or a program that is being installed anew, passes.
                failures += 1
                if failures >= START_TRIES and not self._ready.done():
                    raise SupervisorError(f"{self.member.name} does not start: {error}") from error
                await self._pause(str(error), failures)
                continue
            self._say(What.STARTING)
            if self._stopping.is_set():
                child.send(signal.SIGTERM)
            ready_at = loop.time() if await self._wait_until_ready(child) else None
            status = await child.ended()
            healthy = ready_at is not None and loop.time() - ready_at >= HEALTHY_S
            failures = 1 if healthy else failures + 1
            if await self._is_over(child, status, failures):
                return

    async def _wait_until_ready(self, child: Child) -> bool:
        try:
            async with asyncio.timeout(self.member.part.ready_s):
                ports = await child.ready()
        except TimeoutError:
            child.send(signal.SIGKILL)
            return False
        if ports is None:
            return False
        self._say(What.READY, ports=ports)
        if not self._ready.done():
            self._ready.set_result(None)
        return True

    async def _is_over(self, child: Child, status: int, failures: int) -> bool:
        """Judge the end of a process: True if no other shall follow, else after the pause before it."""
        if self._stopping.is_set():
            self._say(What.STOPPED, describe_status(status) if status else "")
        elif status == 0 and self._ready.done() and is_external(self.member.part, self._settings):
            self._say(What.DONE)
        elif failures >= START_TRIES and not self._ready.done():
            self._say(What.STOPPED, describe_status(status))
            raise SupervisorError(f"{self.member.name} does not start ({describe_status(status)}):\n{child.tail()}")
        else:
            await self._pause(describe_status(status), failures)
            return False
        self._child = None
        return True

    async def _pause(self, why: str, failures: int) -> None:
        """Tell why there is no process, and wait before there is another; not if none shall follow."""
        pause_s = min(BACK_OFF_S[0] * 2 ** (failures - 1), BACK_OFF_S[1])
        self._say(What.ENDED, f"{why}, starts again in {pause_s:g} s")
        self._child = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._stopping.wait()

    def _say(self, what: What, detail: str = "", ports: dict[str, int] | None = None) -> None:
        pid = None if self._child is None else self._child.pid
        self._tell(Event(self.member.name, what, pid, detail, tuple((ports or {}).items())))
