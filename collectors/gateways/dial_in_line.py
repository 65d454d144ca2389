"""Gateways that dial in: they call, say who they are, and hand the bytes of their bus through.

A gateway registers with its text, alone or with a line end, and may send heartbeats between frames, which the cutters
pass over. A 4G meter of Acrel's registers with its serial number in a frame instead (`collectors.wire.acrel4g`). A call
under a registration that is connected already takes its place: the gateway has lost the old connection before we have.
"""

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Mapping

import structlog

from collectors.gateways.serial_line import Envelope, SerialLine
from collectors.wire import acrel4g
from collectors.wire.acrel4g import Acrel4gEnvelope

log = structlog.get_logger(__name__)

_REGISTRATION_MAX = 4096
"""Bytes in which a caller must have said who it is: a text and line ends, or a frame and junk before it."""


class DialInLine(SerialLine):
    """The line of one gateway; away until the gateway has called."""


class DialInListener:
    """Takes gateways' calls and hands each connection to the line of its registration.

    Args:
        lines, acrel: As in `expect`.
        local_time: What Acrel's 4G meters are told when they ask for the time: seven bytes.
    """

    def __init__(
        self,
        lines: Mapping[str, DialInLine],
        *,
        acrel: frozenset[str] = frozenset(),
        local_time: Callable[[], bytes] = lambda: b"",
        register_s: float = 10.0,
        settle_s: float = 0.2,
    ) -> None:
        self.expect(lines, acrel=acrel)
        self._local_time = local_time
        self._register_s = register_s
        self._settle_s = settle_s
        self._server: asyncio.Server | None = None

    def expect(self, lines: Mapping[str, DialInLine], *, acrel: frozenset[str] = frozenset()) -> None:
        """Take calls for these lines from now on, and for no others.

        Args:
            lines: By registration; by serial number those of `acrel`.
            acrel: Registrations that come in frames of Acrel's 4G meters, and no others.
        """
        self._texts = {name.encode("ascii"): line for name, line in lines.items() if name not in acrel}
        self._sorted = sorted(self._texts)
        self._serials = {name: lines[name] for name in acrel}

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port."""
        self._server = await asyncio.start_server(self._take, host, port, backlog=4096)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and let go of all lines."""
        if self._server is not None:
            self._server.close()
        for line in (*self._texts.values(), *self._serials.values()):
            await line.close()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(self._register_s):
                found = await self._registered(reader, writer)
        except (OSError, TimeoutError):
            found = None
        if found is None:
            log.warning("call of an unknown gateway", peer=writer.get_extra_info("peername"))
            writer.close()
            return
        line, envelope = found
        await line.attach(reader, writer, envelope)

    async def _registered(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[DialInLine, Envelope | None] | None:
        """The line that the caller's first bytes name, and its envelope; None if they name none."""
        heard = b""
        while True:
            if self._serials and heard[:2] == acrel4g.START:
                return await self._registered_by_frame(heard, reader, writer)
            text = heard.strip(b"\r\n")
            if text in self._texts and not self._is_beginning(text):
                return self._texts[text], None
            try:
                # A text that is the beginning of a longer one is taken for itself if nothing follows.
                async with asyncio.timeout(self._settle_s if text in self._texts else None):
                    chunk = await reader.read(256)
            except TimeoutError:
                return self._texts[text], None
            heard += chunk
            text = heard.strip(b"\r\n")
            framed = bool(self._serials) and acrel4g.START.startswith(heard[:2])
            may_go_on = framed or text in self._texts or self._is_beginning(text)
            if not chunk or not may_go_on or len(heard) > _REGISTRATION_MAX:
                line = self._longest(heard.lstrip(b"\r\n"))
                return None if line is None else (line, None)

    async def _registered_by_frame(
        self, heard: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[DialInLine, Envelope | None] | None:
        """As `_registered`, of a caller that speaks Acrel's frames."""
        envelope, count = Acrel4gEnvelope(self._local_time), len(heard)
        while count <= _REGISTRATION_MAX:
            _, reply = envelope.take(heard)
            if envelope.serial in self._serials:
                writer.write(reply)
                return self._serials[envelope.serial], envelope
            if envelope.serial is not None:
                return None
            heard = await reader.read(256)
            if not heard:
                return None
            count += len(heard)
        return None

    def _is_beginning(self, text: bytes) -> bool:
        """Whether a longer registration begins with a text."""
        place = bisect_left(self._sorted, text)
        place += place < len(self._sorted) and self._sorted[place] == text
        return place < len(self._sorted) and self._sorted[place].startswith(text)

    def _longest(self, heard: bytes) -> DialInLine | None:
        """The line of the longest registration that the bytes begin with."""
        ends = range(len(heard), 0, -1)
        return next((self._texts[heard[:end]] for end in ends if heard[:end] in self._texts), None)
