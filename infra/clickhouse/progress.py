"""How far a statement has come, told to its client while it runs.

That also keeps the line alive: clickhouse-driver gives up a server that is silent for five minutes.
"""

import contextlib

from infra.clickhouse.channel import Channel
from infra.clickhouse.engine import Progress


class ProgressReport:
    """Tells one client about one statement; a packet holds what is new since the last one."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._sent = Progress()

    def take(self, progress: Progress) -> None:
        """Send progress while the statement runs, from within the engine."""
        # Nothing may be raised into the engine. A client that is gone is noticed by the watch.
        with contextlib.suppress(OSError):
            self.send(progress)

    def send(self, progress: Progress) -> None:
        """Send what is new, if anything is."""
        sent = self._sent
        new = Progress(
            rows=max(0, progress.rows - sent.rows),
            size=max(0, progress.size - sent.size),
            total_rows=max(0, progress.total_rows - sent.total_rows),
            written_rows=max(0, progress.written_rows - sent.written_rows),
            written_bytes=max(0, progress.written_bytes - sent.written_bytes),
        )
        if new == Progress():
            return
        self._channel.send_progress(new)
        self._sent = Progress(
            rows=sent.rows + new.rows,
            size=sent.size + new.size,
            total_rows=sent.total_rows + new.total_rows,
            written_rows=sent.written_rows + new.written_rows,
            written_bytes=sent.written_bytes + new.written_bytes,
        )
