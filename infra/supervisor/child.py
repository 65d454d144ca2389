"""One child process: started, heard until it is ready, and ended."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from infra.parts import Member
from infra.settings import Settings

LOG_BYTES = 16 << 20
"""A log that has grown beyond this is put aside when its member starts; the one put aside before is dropped."""
_TAIL_BYTES = 4096
_LINE_BYTES = 1 << 20


class Child:
    """A running process of one member. Its stderr goes to its log, and so does what it says after its ready line."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log
        self._ready: asyncio.Future[dict[str, int]] = asyncio.get_running_loop().create_future()
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, member: Member, settings: Settings, command: Sequence[str]) -> Self:
        """Start the member's process."""
        log = open_log(settings, member)
        with log.open("ab") as stderr:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env={**os.environ, **settings.to_environment()},
                limit=_LINE_BYTES,
                # Ctrl-C in a terminal goes to the supervisor alone, which ends the members in their order.
                start_new_session=True,
            )
        return cls(process, log)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ready(self) -> dict[str, int] | None:
        """Its ports once it is ready; None if it ends before."""
        ended = asyncio.ensure_future(self.ended())
        either: set[asyncio.Future[Any]] = {self._ready, ended}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        return self._ready.result() if self._ready.done() else None

    async def ended(self) -> int:
        """Its exit status, negative for a signal, once it has ended and all that it said was read."""
        status = await self._process.wait()
        await asyncio.shield(self._reading)
        return status

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self._process.returncode is None:
            self._process.send_signal(number)

    def tail(self) -> str:
        """The last lines of its log."""
        with self._log.open("rb") as file:
            file.seek(max(0, self._log.stat().st_size - _TAIL_BYTES))
            return file.read().decode(errors="replace").strip()

    async def _read(self) -> None:
        while line := await self._line():
            if self._ready.done() or not self._take_ready(line):
                # Where the disk is full, or there is no file more to open, the line is lost; who does not read on would
                # never hear of the end.
                with contextlib.suppress(OSError), self._log.open("ab", buffering=0) as log:
                    log.write(line)

    async def _line(self) -> bytes:
        """Its next line, but for those that are too long to hold; empty at the end."""
        assert self._process.stdout is not None
        while True:
            with contextlib.suppress(ValueError):
                return await self._process.stdout.readline()

    def _take_ready(self, line: bytes) -> bool:
        try:
            said = json.loads(line)
        except ValueError:
            return False
        if not isinstance(said, dict) or "ready" not in said:
            return False
        del said["ready"]
        self._ready.set_result(said)
        return True


def part_command(member: Member) -> list[str]:
    """The command that runs a member as a child which the kernel kills when the thread that starts it has ended."""
    run = [sys.executable, "-m", "infra.run", member.part.name, "--worker", str(member.worker)]
    return [*run, "--parent", str(os.getpid())]


def open_log(settings: Settings, member: Member) -> Path:
    """The member's log file, put aside first if it has grown large."""
    settings.log_dir.mkdir(parents=True, exist_ok=True)
    log = settings.log_dir / f"{member.name}.log"
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_suffix(".1.log"))
    return log


def describe_status(status: int) -> str:
    """An exit status in words.

    >>> describe_status(-9), describe_status(70)
    ('killed by SIGKILL', 'exit status 70')
    """
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"
