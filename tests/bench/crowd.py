"""Thousands of virtual gateways in a process of their own: they dial in, and their meters answer.

Each request is answered a while later, as a serial bus takes it; a connection that the collector ends is called again.
"""

import asyncio
import random
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import cast

import uvloop

from collectors.wire import dlt645
from infra.ports import HOST

_DIALS_AT_ONCE = 500
_REQUEST_BYTES = 16
_ENERGY = 0x0001_0000
_REDIAL_S = 1.0


@dataclass(frozen=True, slots=True)
class Call:
    """An order to the crowd: hang up where there is a line, and call, each at a moment of its own within `spread_s`.

    It is answered by the seconds until all had a connection, and how often a call failed or was hung up.
    """

    spread_s: float


@dataclass(frozen=True, slots=True)
class Called:
    """What became of a `Call`."""

    connected_s: float
    failures: int


def gateway_name(number: int) -> str:
    """A gateway's name, and its registration."""
    return f"G{number:05d}"


def live(orders: Connection, port: int, count: int, answer_s: float) -> None:
    """Be a crowd until the other end of `orders` is closed; the entry of its process."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    uvloop.run(_live(orders, port, count, answer_s))


async def _live(orders: Connection, port: int, count: int, answer_s: float) -> None:
    crowd = _Crowd(port, count, answer_s)
    while True:
        try:
            order: Call = await asyncio.to_thread(orders.recv)
        except EOFError:
            return
        orders.send(await crowd.call(order.spread_s))


class _Crowd:
    """All gateways of the process."""

    def __init__(self, port: int, count: int, answer_s: float) -> None:
        self._port, self._answer_s = port, answer_s
        self._there: dict[int, _Gateway] = {}
        self._count = count
        self._turn = asyncio.Semaphore(_DIALS_AT_ONCE)
        self._dialling: set[asyncio.Task[None]] = set()
        self._failures = 0
        self._answers: dict[bytes, bytes] = {}

    async def call(self, spread_s: float) -> Called:
        for gateway in self._there.values():
            gateway.hang_up()
        self._there.clear()
        self._failures, began = 0, time.monotonic()
        rng = random.Random(1)
        await asyncio.gather(*(self._dial(number, rng.random() * spread_s) for number in range(self._count)))
        return Called(time.monotonic() - began, self._failures)

    async def _dial(self, number: int, after_s: float) -> None:
        await asyncio.sleep(after_s)
        name = gateway_name(number).encode()
        while True:
            gateway = _Gateway(name, self._answer_s, self._answers, lambda: self._hung_up(number))
            try:
                async with self._turn:
                    await asyncio.get_running_loop().create_connection(lambda: gateway, HOST, self._port)  # noqa: B023
            except OSError:
                self._failures += 1
                await asyncio.sleep(_REDIAL_S)
            else:
                self._there[number] = gateway
                return

    def _hung_up(self, number: int) -> None:
        """Call again, since the collector ended the connection."""
        self._failures += 1
        task = asyncio.get_running_loop().create_task(self._dial(number, _REDIAL_S))
        self._dialling.add(task)
        task.add_done_callback(self._dialling.discard)


class _Gateway(asyncio.Protocol):
    """One gateway with its meters: says who it is, answers each request."""

    def __init__(self, name: bytes, answer_s: float, answers: dict[bytes, bytes], hung_up: Callable[[], None]) -> None:
        self._name, self._answer_s, self._answers, self._hung_up = name, answer_s, answers, hung_up
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's by name.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._name)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= _REQUEST_BYTES:
            request, self._buffer = self._buffer[:_REQUEST_BYTES], self._buffer[_REQUEST_BYTES:]
            answer = self._answers.get(request)
            if answer is None:
                answer = self._answers[request] = _answer(request)
            asyncio.get_running_loop().call_later(self._answer_s, self._write, answer)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._transport = None
            self._hung_up()

    def hang_up(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()

    def _write(self, answer: bytes) -> None:
        if self._transport is not None:
            self._transport.write(answer)


def _answer(request: bytes) -> bytes:
    asked = dlt645.decode_frame(request)
    assert asked.di is not None
    value = b"\x56\x34\x12\x00" if asked.di == _ENERGY else b"\x00\x00"
    return dlt645.encode_read_answer(asked.address, asked.di, value)
