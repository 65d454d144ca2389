"""The warning that this machine's clock and the broker's are apart: when it comes, and how often."""

import pytest
from structlog.testing import capture_logs

from collectors.clock_watch import APART_MS, ClockWatch
from tests.integration.collector_lines import NOON_MS, SetClock


@pytest.mark.parametrize("sign", [1, -1], ids=["ahead", "behind"])
def test_clocks_that_are_apart_are_told_once_a_minute(sign: int) -> None:
    clock = SetClock()
    watch = ClockWatch(clock)
    with capture_logs() as logs:
        for since_s, apart_ms in ((0, APART_MS), (1, APART_MS + 1000), (2, 2 * APART_MS), (60, 2 * APART_MS)):
            stamped_ms = NOON_MS + since_s * 1000
            clock.at_ms = stamped_ms + sign * apart_ms
            watch.compare(stamped_ms)
        assert [line["ahead_s"] for line in logs] == [sign * 601]
        stamped_ms = NOON_MS + 61_000
        clock.at_ms = stamped_ms + sign * 2 * APART_MS
        watch.compare(stamped_ms)
    assert [(line["log_level"], line["ahead_s"]) for line in logs] == [
        ("warning", sign * 601),
        ("warning", sign * 1200),
    ]
