"""Processes that end with whoever started them, and locks that end with their process."""

import contextlib
import ctypes
import fcntl
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from infra.errors import InfraError

_PR_SET_PDEATHSIG = 1


class LockedError(InfraError):
    """Another process holds the lock."""


def end_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, however that ends.

    The kernel goes by the thread that started this process, so that thread must live as long as the parent shall
    be thought alive. On systems other than Linux this does nothing.

    Args:
        parent: The process that started this one. If that has ended already, this process ends here.
    """
    if sys.platform != "linux":
        return
    _set_death_signal(signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(f"process {parent}, which started this one, has ended")


def ends_with_this_process() -> Callable[[], None]:
    """A `preexec_fn` by which a child that is no Python (Java, say) ends with this process.

    Only for a process of one thread: code between fork and exec must not need a lock that another thread held.
    """
    if sys.platform != "linux":
        return lambda: None
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def preexec() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return preexec


@contextlib.contextmanager
def locked(path: Path, *, wait_s: float = 0) -> Iterator[int]:
    """Hold the lock file; yields its descriptor, by which a child can go on holding it.

    The kernel lets go when the last process that has the descriptor ends, so a lock is never stale.

    Raises:
        LockedError: Another process holds it, also after `wait_s`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _take(descriptor, path, time.monotonic() + wait_s)
        yield descriptor
    finally:
        os.close(descriptor)


def _take(descriptor: int, path: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise LockedError(f"{path} is held by another process") from None
            time.sleep(0.05)


def _set_death_signal(number: signal.Signals) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(number)) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
