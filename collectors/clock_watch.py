"""Whether this machine's clock and the broker's agree, told by what the broker stamps on records."""

import structlog

from infra.clock import Clock

log = structlog.get_logger(__name__)

APART_MS = 600_000
_SILENCE_MS = 60_000


class ClockWatch:
    """Warns, once a minute at most, while the two clocks are more than ten minutes apart.

    It only warns: a stamp is known when its record is in the topic, and without new records nobody would see that the
    clock was set right. What is more than an hour ahead the ledger sets aside.

    Attributes:
        is_apart: Whether they were at the last stamp.
    """

    def __init__(self, clock: Clock) -> None:
        self.is_apart = False
        self._clock = clock
        self._told_ms: int | None = None

    def compare(self, stamped_ms: int) -> None:
        """Take the broker's stamp on a record that was acknowledged just now.

        A topic that keeps the sender's stamps brings this machine's own time, which tells nothing and warns of nothing.
        """
        now_ms = self._clock.now_ms()
        self.is_apart = abs(now_ms - stamped_ms) > APART_MS
        if not self.is_apart:
            return
        if self._told_ms is None or abs(stamped_ms - self._told_ms) >= _SILENCE_MS:
            self._told_ms = stamped_ms
            log.warning("this machine's clock and the broker's are apart", ahead_s=(now_ms - stamped_ms) // 1000)
