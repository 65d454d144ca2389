"""The supervisor: all parts of a data directory, started and ended in the order of their needs."""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import structlog

from infra.endpoints import write_record
from infra.parts import Member, members
from infra.process import LockedError, locked
from infra.settings import Settings
from infra.supervisor.child import part_command
from infra.supervisor.events import Event, SupervisorError, What
from infra.supervisor.keeper import Keeper

NAME: Final = "supervisor"
"""Of its run record, its lock and its log."""
LOCK_S: Final = 5.0
"""How long a supervisor that was killed a moment ago may take to be gone."""

T = TypeVar("T")

_log = structlog.get_logger(__name__)


class Supervisor:
    """Runs the parts of one data directory from a thread of its own.

    The parts end with this process, whatever ends it: the kernel kills them when the supervisor's thread is gone.
    Use it as a context manager, so that they end in their order wherever this process can still see to it:

        with Supervisor(settings, on_event=queue.put) as supervisor:
            supervisor.start()
            ...

    Args:
        on_event: Called in the supervisor's thread with each event, in their order; must return soon.
        command: Makes the command that runs a member.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        on_event: Callable[[Event], None] | None = None,
        command: Callable[[Member], Sequence[str]] = part_command,
    ) -> None:
        self._settings = settings
        self._command = command
        self._on_event = on_event
        self._last: dict[str, Event] = {}
        self._restarts: dict[str, int] = {}
        self._keepers: dict[str, Keeper] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=NAME, daemon=True)
        self._starting: Future[None] | None = None
        self._held = contextlib.ExitStack()

    def start(self) -> None:
        """Start all parts and return when all are ready.

        Raises:
            SupervisorError: Another supervisor runs on this data directory, or a part does not start. The others are
                ended again.
        """
        try:
            self._held.enter_context(locked(self._settings.run_dir / f"{NAME}.lock", wait_s=LOCK_S))
        except LockedError as error:
            raise SupervisorError(f"Sluice runs already on {self._settings.data_dir}: {error}") from error
        write_record(self._settings, NAME, {})
        self._thread.start()
        self._starting = self._in_loop(self._start())
        try:
            self._starting.result()
        except Exception:
            self.stop()
            raise

    def stop(self) -> None:
        """End all parts, each before those it needs; returns when all have ended. Harmless when repeated."""
        if self._thread.is_alive():
            if self._starting is not None:
                # Parts that wait for others shall not be started any more.
                self._starting.cancel()
            self._in_loop(self._stop()).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        if not self._loop.is_closed():
            self._loop.close()
        self._held.close()

    def send_signal(self, member: str, number: signal.Signals) -> int | None:
        """Send a member's process a signal, to see what comes of it.

        Returns:
            The process's number; None if it has none at the moment.
        Raises:
            KeyError: There is no such member.
        """

        async def send() -> int | None:
            return self._keepers[member].send(number)

        return self._in_loop(send()).result()

    def stop_member(self, member: str) -> None:
        """End one member for good, as if it were the only one; returns when it has ended. Harmless when repeated.

        Raises:
            KeyError: There is no such member.
        """

        async def stop() -> None:
            await self._keepers[member].stop()

        self._in_loop(stop()).result()

    def states(self) -> dict[str, Event]:
        """The last event of each member."""
        return dict(self._last)

    def restarts(self) -> dict[str, int]:
        """How often each member ended without being asked."""
        return dict(self._restarts)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _in_loop(self, call: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(call, self._loop)

    async def _start(self) -> None:
        planned = members(self._settings)
        self._keepers = {
            member.name: Keeper(member, self._settings, command=self._command, tell=self._tell) for member in planned
        }
        ready = {part: asyncio.Event() for part in {member.part.name for member in planned}}
        missing = {part: sum(member.part.name == part for member in planned) for part in ready}

        async def start(keeper: Keeper) -> None:
            part = keeper.member.part
            for needed in part.needs:
                if needed in ready:
                    await ready[needed].wait()
            await keeper.start()
            missing[part.name] -= 1
            if not missing[part.name]:
                ready[part.name].set()

        try:
            async with asyncio.TaskGroup() as tasks:
                for keeper in self._keepers.values():
                    tasks.create_task(start(keeper))
        except ExceptionGroup as group:
            raise group.exceptions[0] from None

    async def _stop(self) -> None:
        gone = {name: asyncio.Event() for name in self._keepers}

        async def stop(keeper: Keeper) -> None:
            part = keeper.member.part.name
            for other in self._keepers.values():
                if part in other.member.part.needs:
                    await gone[other.member.name].wait()
            await keeper.stop()
            gone[keeper.member.name].set()

        async with asyncio.TaskGroup() as tasks:
            for keeper in self._keepers.values():
                tasks.create_task(stop(keeper))

    def _tell(self, event: Event) -> None:
        self._last[event.member] = event
        if event.what is What.ENDED:
            self._restarts[event.member] = self._restarts.get(event.member, 0) + 1
        if self._on_event is None:
            return
        try:
            self._on_event(event)
        except Exception:
            # A listener's fault must not end the members.
            _log.exception("a listener failed", member=event.member, what=event.what)
