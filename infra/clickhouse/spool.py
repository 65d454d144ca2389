"""A file without a name that takes up the blocks of an insert until the engine reads them.

Rows from a client go to the disk's cache rather than to memory, however many they are, and into the table in one
INSERT once all of them have come: a client that dies on the way leaves nothing behind.
"""

import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from infra.clickhouse.block import BlockShape
from infra.clickhouse.channel import Channel
from infra.clickhouse.errors import Code, ProtocolError, protocol_error


class Spool:
    """Blocks in the Native format, one after the other. Used as a context manager.

    Raises:
        ProtocolError: There is no place for them; so the client's next packet, which would be one, cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - closed by __exit__
        except OSError as error:
            raise _no_room(error) from error
        self.rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def path(self) -> str:
        """Where this process can open it."""
        return f"/proc/self/fd/{self._file.fileno()}"

    def take(self, channel: Channel) -> BlockShape:
        """Take up the client's next block; one without rows leaves nothing in the file.

        Raises:
            ProtocolError: It cannot be read, or there is no room for it.
        """
        start = self._file.tell()
        shape = channel.read_block(self._write)
        if not shape.rows:
            self._file.seek(start)
            self._file.truncate()
        self.rows += shape.rows
        return shape

    def _write(self, piece: memoryview) -> None:
        try:
            while piece:
                piece = piece[self._file.write(piece) :]
        except OSError as error:
            raise _no_room(error) from error


def _no_room(error: OSError) -> ProtocolError:
    return protocol_error(Code.NOT_ENOUGH_SPACE, f"Cannot keep the rows: {os.strerror(error.errno or 0)}")
