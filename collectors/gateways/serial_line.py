"""A serial bus behind a TCP connection that hands its bytes through: what both kinds of connection have in common."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from collectors.gateways.dialects.asking import Asking
from collectors.gateways.dialects.of_protocol import new_dialects
from collectors.gateways.line import Action, Item, LineAway, LineError, NoAnswer, Refused, Withdrawn, notice_death
from collectors.registry import MeterOnLine

_CHUNK = 4096
_LAST_TURNS = 3
"""Turns of the loop in which what has come is still read: a loop that is late itself must not blame the meter."""


_BROADCAST_S = 0.1
"""A broadcast of the time takes so long at 2,400 bit/s, 18 bytes of 11 bits and what wakes the bus."""


class Envelope(Protocol):
    """What a gateway puts around the bytes of its bus."""

    def wrap(self, request: bytes) -> bytes:
        """A request as the gateway takes it."""
        ...

    def take(self, chunk: bytes) -> tuple[bytes, bytes]:
        """What the gateway sent: the bytes of the bus in it, and what is to be answered to the gateway itself."""
        ...


class Bare:
    """No envelope: the connection carries the bytes of the bus and nothing else."""

    def wrap(self, request: bytes) -> bytes:
        """See `Envelope.wrap`."""
        return request

    def take(self, chunk: bytes) -> tuple[bytes, bytes]:
        """See `Envelope.take`."""
        return chunk, b""


class SerialLine:
    """A line whose connection comes and goes; away while there is none.

    Whatever comes is read as it comes: what answers the request that waits is its answer, all else is dropped. So an
    answer that came too late is gone before the same meter is asked again, and a lost connection is seen at once.
    """

    def __init__(self, *, timeout_s: float = 1.0) -> None:
        self._timeout_s = timeout_s
        self._dialects = new_dialects()
        self._envelope: Envelope = Bare()
        self._writer: asyncio.StreamWriter | None = None
        self._listening: asyncio.Task[None] | None = None
        self._waiting: tuple[Asking, asyncio.Future[bytes]] | None = None
        self._turn = asyncio.Lock()
        self.connected = asyncio.Event()

    async def ask(self, meter: MeterOnLine, item: Item) -> bytes:
        """See `Line.ask`."""
        dialect = self._dialects[meter.template.protocol]
        async with self._turn:
            return await self._clear_and_exchange(meter, dialect.read(meter, item))

    async def command(
        self, meter: MeterOnLine, action: Action, *, deadline: datetime, claim: Callable[[], bool]
    ) -> bytes:
        """See `Line.command`."""
        dialect = self._dialects[meter.template.protocol]
        async with self._turn:
            return await self._order(meter, dialect.command(meter, action, deadline), claim)

    async def ask_clock(self, meter: MeterOnLine) -> tuple[bytes, ...]:
        """See `Line.ask_clock`."""
        dialect = self._dialects[meter.template.protocol]
        async with self._turn:
            return tuple([await self._clear_and_exchange(meter, asking) for asking in dialect.clock(meter)])

    async def set_clock(
        self, meter: MeterOnLine, now: Callable[[], datetime], *, claim: Callable[[], bool] | None = None
    ) -> bytes:
        """See `Line.set_clock`."""
        dialect = self._dialects[meter.template.protocol]
        async with self._turn:
            asking = dialect.set_clock(meter, now())
            return await (
                self._clear_and_exchange(meter, asking) if claim is None else self._order(meter, asking, claim)
            )

    async def back(self) -> bool:
        """See `Line.back`."""
        await self.connected.wait()
        return True

    async def close(self) -> None:
        """See `Line.close`."""
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.cancel()
        writer = self._let_go()
        if writer is not None:
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def attach(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, envelope: Envelope | None = None
    ) -> None:
        """Go on with a new connection; a request that waits on the old one fails."""
        if self._listening is not None:
            self._listening.cancel()
        self._let_go()
        notice_death(writer)
        self._writer, self._envelope = writer, envelope or Bare()
        self._listening = asyncio.create_task(self._listen(reader, writer, self._envelope))
        self.connected.set()

    async def _connection(self) -> asyncio.StreamWriter:
        """The connection to write to.

        Raises:
            LineAway: There is none.
        """
        if self._writer is None:
            raise LineAway("the gateway has not called")
        return self._writer

    def _let_go(self) -> asyncio.StreamWriter | None:
        """Be away from now on; gives the connection that there was."""
        writer, self._writer = self._writer, None
        self.connected.clear()
        if self._waiting is not None and not self._waiting[1].done():
            self._waiting[1].set_exception(LineError("connection lost"))
        if writer is not None:
            writer.close()
        return writer

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, envelope: Envelope) -> None:
        """Read a connection to its end."""
        with contextlib.suppress(OSError):
            while chunk := await reader.read(_CHUNK):
                heard, reply = envelope.take(chunk)
                if reply:
                    writer.write(reply)
                    # One that asks on and on and reads no answer is not listened to: they would fill the memory.
                    await writer.drain()
                self._hear(heard)
        if self._writer is writer:
            self._let_go()

    def _hear(self, heard: bytes) -> None:
        """Give what came to the request that waits, if one does; what answers none is dropped."""
        if self._waiting is None:
            return
        asking, answer = self._waiting
        for frame in asking.cutter.feed(heard):
            if asking.answers is not None and not answer.done() and asking.answers(frame):
                answer.set_result(frame)

    async def _clear_and_exchange(
        self, meter: MeterOnLine, asking: Asking, claim: Callable[[], bool] | None = None
    ) -> bytes:
        """Exchange a request, behind a fence where an earlier answer could pass for its own."""
        dialect, loop = self._dialects[meter.template.protocol], asyncio.get_running_loop()
        fence = dialect.fence(meter, loop.time())
        try:
            if fence is not None:
                await self._fence(fence)
                dialect.note_fence(meter)
            return await self._exchange(asking, claim)
        except (LineAway, Withdrawn, Refused, _FenceRefused):
            raise
        except LineError:
            dialect.note_silence(meter, loop.time())
            raise

    async def _order(self, meter: MeterOnLine, asking: Asking, claim: Callable[[], bool]) -> bytes:
        """Exchange a command.

        Raises:
            LineAway: Also where a fence before it was not answered: the command can still be sent.
        """
        asked = False

        def note_and_claim() -> bool:
            nonlocal asked
            asked = True
            return claim()

        try:
            return await self._clear_and_exchange(meter, asking, note_and_claim)
        except (LineAway, Withdrawn):
            raise
        except LineError as error:
            if asked:
                raise
            raise LineAway(f"nothing was sent: {error}") from error

    async def _fence(self, fence: Asking) -> None:
        try:
            await self._exchange(fence, None)
        except Refused as error:
            # A refusal tells no length, so it may be the late answer itself.
            raise _FenceRefused(f"an earlier answer may still come: {error}") from error

    async def _exchange(self, asking: Asking, claim: Callable[[], bool] | None) -> bytes:
        # A turn of the loop, in which what came before this request is read and dropped.
        await asyncio.sleep(0)
        writer = await self._connection()
        if claim is not None and not claim():
            raise Withdrawn("given up before it was sent")
        if asking.answers is None:
            writer.write(self._envelope.wrap(asking.request))
            # Nobody answers, and nobody may speak before all have heard it.
            await asyncio.sleep(_BROADCAST_S)
            return b""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bytes] = loop.create_future()
        self._waiting = asking, answer
        limit = loop.call_later(self._timeout_s, _give_up, answer, _LAST_TURNS)
        try:
            writer.write(self._envelope.wrap(asking.request))
            frame = await answer
        except TimeoutError:
            raise NoAnswer(f"no answer in {self._timeout_s} s", tuple(asking.cutter.damaged)) from None
        finally:
            limit.cancel()
            self._waiting = None
        refusal = asking.refusal(frame)
        if refusal is not None:
            raise Refused(refusal)
        return frame


def _give_up(answer: asyncio.Future[bytes], turns: int) -> None:
    """Fail what waits for an answer, unless it comes in the next so many turns of the loop."""
    if answer.done():
        return
    if turns:
        asyncio.get_running_loop().call_soon(_give_up, answer, turns - 1)
    else:
        answer.set_exception(TimeoutError())


class _FenceRefused(NoAnswer):
    """The line is not known to be clear, so the meter was not asked; that a refusal came extends nothing."""
