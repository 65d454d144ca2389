"""Gateways that dial in: they call, say who they are, and hand DL/T645 frames through.

A gateway registers with its text, alone or with a line end, and may send heartbeats between frames; neither holds a
byte 68, so the cutter passes over them. A call under a registration that is connected already takes its place: the
gateway has lost the old connection before we have.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from datetime import datetime

import structlog

from collectors.gateways.line import Action, Item, LineAway, LineError, NoAnswer, Refused, Withdrawn, notice_death
from collectors.registry import MeterOnLine
from collectors.wire import dlt645
from collectors.wire.dlt645 import ANSWER, READ, RELAY, Dlt645Cutter, Dlt645Frame
from collectors.wire.errors import FrameError

log = structlog.get_logger(__name__)

_CHUNK = 4096


Fits = Callable[[Dlt645Frame], bool]


class DialInLine:
    """The line of one gateway; away until the gateway has called.

    Whatever comes is read as it comes: what answers the request that waits is its answer, all else is dropped. So an
    answer that came too late is gone before the same meter is asked again, and a lost connection is seen at once.
    """

    def __init__(self, *, timeout_s: float = 1.0) -> None:
        self._timeout_s = timeout_s
        self._writer: asyncio.StreamWriter | None = None
        self._listening: asyncio.Task[None] | None = None
        self._waiting: tuple[Fits, asyncio.Future[bytes]] | None = None
        self._cutter = Dlt645Cutter()
        self._turn = asyncio.Lock()
        self.connected = asyncio.Event()

    async def ask(self, meter: MeterOnLine, item: Item) -> bytes:
        """See `Line.ask`."""
        asked = meter.template.energy if item is Item.ENERGY else meter.template.relay
        address = f"{meter.address:012d}"

        def fits(frame: Dlt645Frame) -> bool:
            return frame.address == address and (
                (frame.control == READ | ANSWER and frame.di == asked.start)
                or (frame.abnormal and frame.control & 0x1F == READ)
            )

        async with self._turn:
            return await self._exchange(dlt645.encode_read(address, asked.start), fits)

    async def command(
        self, meter: MeterOnLine, action: Action, *, deadline: datetime, claim: Callable[[], bool]
    ) -> bytes:
        """See `Line.command`."""
        relay, address = meter.template.relay, f"{meter.address:012d}"
        request = dlt645.encode_relay(
            address,
            relay.cut if action is Action.CUT else relay.restore,
            deadline=deadline,
            password=bytes.fromhex(relay.password),
            operator=bytes.fromhex(relay.operator),
        )

        def fits(frame: Dlt645Frame) -> bool:
            return frame.address == address and bool(frame.control & ANSWER) and frame.control & 0x1F == RELAY

        async with self._turn:
            return await self._exchange(request, fits, claim)

    async def close(self) -> None:
        """See `Line.close`."""
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.cancel()
        writer = self._let_go()
        if writer is not None:
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def attach(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Go on with a new connection; a request that waits on the old one fails."""
        if self._listening is not None:
            self._listening.cancel()
        self._let_go()
        notice_death(writer)
        self._writer = writer
        self._cutter.clear()
        self._listening = asyncio.create_task(self._listen(reader, writer))
        self.connected.set()

    def _let_go(self) -> asyncio.StreamWriter | None:
        """Be away from now on; gives the connection that there was."""
        writer, self._writer = self._writer, None
        self.connected.clear()
        if self._waiting is not None and not self._waiting[1].done():
            self._waiting[1].set_exception(LineError("connection lost"))
        if writer is not None:
            writer.close()
        return writer

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read a connection to its end."""
        with contextlib.suppress(OSError):
            while chunk := await reader.read(_CHUNK):
                for frame in self._cutter.feed(chunk):
                    self._hear(frame)
        if self._writer is writer:
            self._let_go()

    def _hear(self, frame: bytes) -> None:
        """Give a frame to the request that it answers, if one waits."""
        try:
            taken = dlt645.decode_frame(frame)
        except FrameError as error:
            log.debug("frame dropped", error=str(error))
            return
        if self._waiting is not None:
            fits, answer = self._waiting
            if fits(taken) and not answer.done():
                answer.set_result(frame)

    async def _exchange(self, request: bytes, fits: Fits, claim: Callable[[], bool] | None = None) -> bytes:
        # A turn of the loop, in which what came before this request is read and dropped.
        await asyncio.sleep(0)
        if self._writer is None:
            raise LineAway("the gateway has not called")
        if claim is not None and not claim():
            raise Withdrawn("given up before it was sent")
        # Half a frame of a meter that fell silent must not swallow the next answer.
        self._cutter.clear()
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting = fits, answer
        try:
            async with asyncio.timeout(self._timeout_s):
                self._writer.write(request)
                frame = await answer
        except TimeoutError:
            raise NoAnswer(f"no answer in {self._timeout_s} s", tuple(self._cutter.damaged)) from None
        finally:
            self._waiting = None
        taken = dlt645.decode_frame(frame)
        if taken.abnormal:
            raise Refused(f"meter {taken.address} refuses: {taken.error!r}")
        return frame


class DialInListener:
    """Takes gateways' calls and hands each connection to the line of its registration."""

    def __init__(self, lines: dict[str, DialInLine], *, register_s: float = 10.0, settle_s: float = 0.2) -> None:
        self._lines = {registration.encode("ascii"): line for registration, line in lines.items()}
        self._register_s = register_s
        self._settle_s = settle_s
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port."""
        self._server = await asyncio.start_server(self._take, host, port, backlog=4096)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and let go of all lines."""
        if self._server is not None:
            self._server.close()
        for line in self._lines.values():
            await line.close()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(self._register_s):
                line = await self._registered(reader)
        except (OSError, TimeoutError):
            line = None
        if line is None:
            log.warning("call of an unknown gateway", peer=writer.get_extra_info("peername"))
            writer.close()
            return
        await line.attach(reader, writer)

    async def _registered(self, reader: asyncio.StreamReader) -> DialInLine | None:
        """The line that the caller's first bytes name; None if they name none."""
        heard = b""
        while True:
            text = heard.strip(b"\r\n")
            longer = [name for name in self._lines if name.startswith(text) and name != text]
            if text in self._lines and not longer:
                return self._lines[text]
            try:
                # A text that is the beginning of a longer one is taken for itself if nothing follows.
                async with asyncio.timeout(self._settle_s if text in self._lines else None):
                    chunk = await reader.read(256)
            except TimeoutError:
                return self._lines[text]
            heard += chunk
            if not chunk or not _may_name(heard.strip(b"\r\n"), self._lines):
                return _longest(heard.lstrip(b"\r\n"), self._lines)


def _may_name(text: bytes, names: Iterable[bytes]) -> bool:
    return any(name.startswith(text) for name in names)


def _longest(heard: bytes, lines: dict[bytes, DialInLine]) -> DialInLine | None:
    """The line of the longest registration that the bytes begin with."""
    names = [name for name in lines if heard.startswith(name)]
    return lines[max(names, key=len)] if names else None
