"""The control changes of all meters, kept as they happen: the fleet's only memory besides its seed.

One JSON line a change, written with one `write` to a file opened for appending before the meter's answer goes
out. A killed process leaves at most a torn last line, of a change that nobody was told of; it is cut off when
the journal is opened again. A power failure may take the last lines with it: these are virtual meters.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from infra.fleet.errors import FleetError
from infra.fleet.meter import Control, ControlChange


class ControlJournal:
    """The journal of one fleet; only one process may have it open."""

    def __init__(self, path: Path) -> None:
        """Open the journal, or begin it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def replay(self) -> Iterator[tuple[str, ControlChange]]:
        """Give each kept change with its meter, oldest first, after cutting off a torn last line.

        Raises:
            FleetError: A line in the middle is not what this class writes.
        """
        content = self._path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.ftruncate(self._file, whole)
        for number, line in enumerate(content[:whole].splitlines(), 1):
            try:
                yield _decode(line)
            except (ValueError, KeyError, TypeError) as error:
                raise FleetError(f"{self._path}: line {number} is no control change: {error!r}") from error

    def append(self, meter: str, change: ControlChange) -> None:
        """Keep a change; it survives a kill of the process from here on."""
        line = _encode(meter, change)
        written = os.write(self._file, line)
        if written != len(line):
            # A full disk. The torn line goes, or the next one would be joined to it.
            os.ftruncate(self._file, os.fstat(self._file).st_size - written)
            raise FleetError(f"{self._path}: only {written} of {len(line)} bytes could be written")


def _encode(meter: str, change: ControlChange) -> bytes:
    control = change.control
    fields = {
        "meter": meter,
        "at_ms": change.at_ms,
        "open": control.is_open,
        "trip": control.trip_ordered,
        "forced": control.forced,
        "retained": control.retained,
        "away": control.is_away,
    }
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def _decode(line: bytes) -> tuple[str, ControlChange]:
    fields = json.loads(line)
    control = Control(
        is_open=bool(fields["open"]),
        trip_ordered=bool(fields["trip"]),
        forced=bool(fields["forced"]),
        retained=bool(fields["retained"]),
        # Journals of earlier versions know of no meters that come and go.
        is_away=bool(fields.get("away", False)),
    )
    return str(fields["meter"]), ControlChange(int(fields["at_ms"]), control)
