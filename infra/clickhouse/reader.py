"""Reading of the wire, from a socket, from compressed frames or from bytes at hand.

The reader holds one chunk of its source at a time, so memory stays bounded whatever a client sends: large
values are walked over, and where somebody wants them they are handed on piece by piece (`copying`).
Nothing is allocated from a length before its bytes have come.
"""

import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from infra.clickhouse.errors import Code, protocol_error

VALUE_LIMIT = 1 << 30
"""Bytes of one text, as ClickHouse limits it."""

CHUNK_BYTES = 1 << 20

_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")

Copy = Callable[[memoryview], object]


class Source(Protocol):
    """Where a reader's bytes come from."""

    def next_chunk(self) -> tuple[bytes | bytearray, int]:
        """The next bytes: a buffer that holds until the next call, and how many, at least one.

        Raises:
            EOFError: There are no more.
        """


class SocketSource:
    """Bytes from a connected socket, in one buffer that is used again."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._buffer = bytearray(CHUNK_BYTES)
        self._until: float | None = None

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """While inside, all that is read has to come in so many seconds together, or TimeoutError is raised."""
        self._until = time.monotonic() + seconds
        try:
            yield
        finally:
            self._until = None
            self._sock.settimeout(None)

    def next_chunk(self) -> tuple[bytearray, int]:
        """Whatever has come, after waiting for at least one byte."""
        if self._until is not None:
            left = self._until - time.monotonic()
            if left <= 0:
                raise TimeoutError("too slow")
            self._sock.settimeout(left)
        size = self._sock.recv_into(self._buffer)
        if not size:
            raise EOFError
        return self._buffer, size


class BytesSource:
    """Bytes at hand, given once."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def next_chunk(self) -> tuple[bytes, int]:
        """All of them the first time."""
        data, self._data = self._data, b""
        if not data:
            raise EOFError
        return data, len(data)


class WireReader:
    """Numbers, texts and runs of bytes, in the order of the wire.

    Every method waits for the bytes that it needs and raises EOFError when the source ends before them.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._chunk: bytes | bytearray = b""
        self._position = 0
        self._end = 0
        self._copied_to = 0
        self._copy: Copy | None = None

    @property
    def held(self) -> memoryview:
        """Bytes that have come and were not read yet."""
        return memoryview(self._chunk)[self._position : self._end]

    @contextmanager
    def copying(self, copy: Copy) -> Iterator[None]:
        """While inside, hand every byte that is read or walked over to `copy`, in order, in large pieces."""
        self._copy = copy
        self._copied_to = self._position
        try:
            yield
            self._hand_on()
        finally:
            self._copy = None

    def at_end(self) -> bool:
        """Whether the source has no more bytes; waits until it is known."""
        if self._position < self._end:
            return False
        try:
            self._refill()
        except EOFError:
            return True
        return False

    def byte(self) -> int:
        """One byte as a number."""
        if self._position == self._end:
            self._refill()
        value = self._chunk[self._position]
        self._position += 1
        return value

    def varint(self) -> int:
        """A number of up to 64 bits: 7 bits a byte, lowest first."""
        value = 0
        for shift in range(0, 70, 7):
            piece = self.byte()
            value |= (piece & 0x7F) << shift
            if piece < 0x80:
                if value >= 1 << 64:
                    break
                return value
        raise protocol_error(Code.INCORRECT_DATA, "A number is longer than 64 bits")

    def u32(self) -> int:
        """A 32-bit number, lowest byte first."""
        value: int = _U32.unpack(self.take(4))[0]
        return value

    def u64(self) -> int:
        """A 64-bit number, lowest byte first."""
        value: int = _U64.unpack(self.take(8))[0]
        return value

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        stop = self._position + size
        if stop <= self._end:
            data = self._chunk[self._position : stop]
            self._position = stop
            return bytes(data)
        parts = []
        while size:
            if self._position == self._end:
                self._refill()
            stop = min(self._position + size, self._end)
            parts.append(self._chunk[self._position : stop])
            size -= stop - self._position
            self._position = stop
        return b"".join(parts)

    def text(self, limit: int = VALUE_LIMIT) -> str:
        """A text; bytes that are not UTF-8 survive as surrogate escapes."""
        return self.take(self._length(limit)).decode("utf-8", "surrogateescape")

    def skip(self, size: int) -> None:
        """Walk over `size` bytes."""
        while size > self._end - self._position:
            size -= self._end - self._position
            self._position = self._end
            self._refill()
        self._position += size

    def skip_texts(self, count: int) -> None:
        """Walk over `count` texts."""
        while count:
            chunk, position, end = self._chunk, self._position, self._end
            # The common case, kept short: lengths of one byte and texts that lie within the chunk.
            while count and position < end:
                size = chunk[position]
                if size > 0x7F or position + size >= end:
                    break
                position += size + 1
                count -= 1
            self._position = position
            if count:
                self.skip(self._length(VALUE_LIMIT))
                count -= 1

    def _length(self, limit: int) -> int:
        size = self.varint()
        if size > limit:
            raise protocol_error(Code.TOO_LARGE_STRING_SIZE, f"Too large string size {size}, at most {limit}")
        return size

    def _refill(self) -> None:
        self._hand_on()
        self._chunk, self._end = self._source.next_chunk()
        self._position = self._copied_to = 0

    def _hand_on(self) -> None:
        if self._copy is not None and self._position > self._copied_to:
            self._copy(memoryview(self._chunk)[self._copied_to : self._position])
            self._copied_to = self._position
