"""Free TCP ports of the loopback, kept across restarts where they can be."""

import contextlib
import socket
from collections.abc import Sequence

HOST = "127.0.0.1"


def free_ports(count: int, *, preferred: Sequence[int] = ()) -> list[int]:
    """`count` ports that nobody listens on, all different: the preferred ones that are still free, then any.

    They are free when this returns; another process may still take one before the caller does.
    """
    with contextlib.ExitStack() as held:
        kept = [_hold(held, port) for port in preferred[:count]]
        return [port or _hold_any(held) for port in kept + [None] * (count - len(kept))]


def _hold_any(held: contextlib.ExitStack) -> int:
    port = _hold(held, 0)
    if port is None:
        raise OSError(f"no free port on {HOST}")
    return port


def _hold(held: contextlib.ExitStack, port: int) -> int | None:
    """Bind the port until the stack is closed; None if it is taken."""
    listener = held.enter_context(socket.socket())
    # As servers do it: connections that linger after their process has ended do not make a port taken.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(1)
    except OSError:
        return None
    return int(listener.getsockname()[1])
