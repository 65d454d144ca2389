"""TLS in front of the server: a door that others may come through, relayed to the server's own port.

The server itself listens on the loopback and looks ahead into its sockets, which one of TLS does not allow. Behind the
door nothing changes: a client that goes away or cancels is seen as on the loopback.
"""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import structlog

from infra.errors import InfraError
from infra.ports import HOST

_log = structlog.get_logger(__name__)

_CHUNK_BYTES = 1 << 18
_HANDSHAKE_S = 10.0
_IDLE_S, _PROBE_S, _PROBES = 60, 15, 4


class TlsError(InfraError):
    """The door cannot be opened: no certificate, no key to it, or an address that is taken."""


@contextlib.contextmanager
def tls_door(listen: str, certificate: Path, key: Path, *, to_port: int) -> Iterator[int]:
    """Relay clients that speak TLS to a port of the loopback, for as long as the context lasts.

    Args:
        listen: `host:port`; port 0 takes a free one.
        certificate: PEM, with the chain.
        key: PEM, without a password.
    Yields:
        The port that it listens on.
    Raises:
        TlsError: It cannot be opened.
    """
    host, _, port = listen.rpartition(":")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    loop = asyncio.new_event_loop()
    try:
        context.load_cert_chain(certificate, key)
        opening = asyncio.start_server(
            _Relay(to_port).serve, host.strip("[]"), int(port), ssl=context, ssl_handshake_timeout=_HANDSHAKE_S
        )
        door = loop.run_until_complete(opening)
    except OSError as error:
        loop.close()
        raise TlsError(f"TLS on {listen}, certificate {certificate}, key {key}: {error}") from error
    thread = threading.Thread(target=loop.run_forever, name="tls", daemon=True)
    thread.start()
    try:
        yield int(door.sockets[0].getsockname()[1])
    finally:
        asyncio.run_coroutine_threadsafe(_close(door), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _close(door: asyncio.Server) -> None:
    door.close()
    relays = asyncio.all_tasks() - {task for task in (asyncio.current_task(),) if task}
    for relay in relays:
        relay.cancel()
    await asyncio.gather(*relays, return_exceptions=True)


class _Relay:
    """Between a client and the server's own port."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client, until it or the server ends the connection."""
        try:
            # The server's own line to this door tells nothing of the client's.
            _keep_alive(writer.get_extra_info("socket"))
            inner_reader, inner_writer = await asyncio.open_connection(HOST, self._port)
            async with asyncio.TaskGroup() as both:
                both.create_task(_copy(reader, inner_writer))
                both.create_task(_copy(inner_reader, writer))
        except* OSError as errors:
            _log.info("a TLS client is gone", error=str(errors.exceptions[0]))
        finally:
            writer.close()


def _keep_alive(sock: socket.socket) -> None:
    """Have a line that says nothing end within minutes where its other end went away without a word."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _IDLE_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _PROBE_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES)
    # On a line on which an answer waits to be taken nobody asks.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1000 * (_IDLE_S + _PROBES * _PROBE_S))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(_CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
    finally:
        # That side ended, so the other one is to hear it: TLS cannot be closed by halves.
        writer.close()
