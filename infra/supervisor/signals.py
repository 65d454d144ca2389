"""Signals that ask a process to end, turned into an exception that unwinds it."""

import select
import signal
import socket
from types import FrameType
from typing import NoReturn

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# Kept for the life of the process: closing them would leave the signals' C handler with a dead descriptor.
_woken, _wakes = socket.socketpair()
_wakes.setblocking(False)


class Stopped(BaseException):
    """The process was asked to end; no `except Exception` swallows it."""


def stop_on_signals() -> None:
    """From now on the first SIGINT, SIGTERM or SIGHUP raises `Stopped` in the main thread; later ones do nothing.

    So a `with` around a supervisor ends its parts in their order, and a second signal does not tear that.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        for other in _ENDING:
            signal.signal(other, signal.SIG_IGN)
        raise Stopped(signal.Signals(number).name)

    signal.set_wakeup_fd(_wakes.fileno(), warn_on_full_buffer=False)
    for number in _ENDING:
        signal.signal(number, handle)


def wait_until_stopped() -> NoReturn:
    """Wait in the main thread for the signal after `stop_on_signals`; raises `Stopped`.

    Not `signal.pause`: Python handles a signal between two of its steps, so one that comes right before the pause, or
    to another thread, would find nobody awake. It leaves a byte here in any case.
    """
    while True:
        select.select([_woken], [], [])
        _woken.recv(1)
