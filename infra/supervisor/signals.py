"""Signals that ask a process to end, turned into an exception that unwinds it."""

import signal
from types import FrameType

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


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

    for number in _ENDING:
        signal.signal(number, handle)
