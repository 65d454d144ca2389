"""Commands are there once, and come soon after their frames."""

import pytest

from infra.demo.checks.check import Check
from infra.demo.checks.commands import Backlog, CommandKey, Place, Stamped, check_commands, check_latency

K1, K2 = CommandKey("S1", "M1", 1), CommandKey("S1", "M1", 2)


@pytest.mark.parametrize(
    ("sent", "stored", "holds"),
    [
        pytest.param([K1, K2], [K2, K1], True, id="each once"),
        pytest.param([K1, K2], [K1], False, id="not stored"),
        pytest.param([K1], [K1, K2], False, id="not sent"),
        pytest.param([K1, K1], [K1], False, id="sent twice"),
        pytest.param([K1], [K1, K1], False, id="stored twice"),
        pytest.param([K1, K1], [K1, K1], False, id="both twice"),
        pytest.param([], [], False, id="none"),
    ],
)
def test_commands_are_there_once(sent: list[CommandKey], stored: list[CommandKey], holds: bool) -> None:
    assert check_commands(sent, stored).held is holds


def latency(*waits_ms: int, backlogs: tuple[Backlog, ...] = ()) -> Check:
    """The check over commands that waited so long; command n stands at offset n, so does its frame."""
    keys = [CommandKey("S1", "M1", number) for number in range(len(waits_ms))]
    return check_latency(
        {key: Place(0, key.sequence) for key in keys},
        arrived_ms={Place(0, key.sequence): 1000 for key in keys},
        sent={key: Stamped(Place(5, key.sequence), 1000 + waits_ms[key.sequence]) for key in keys},
        backlogs=backlogs,
        opened_ms=None,
    )


@pytest.mark.parametrize(
    ("waits_ms", "holds"),
    [
        pytest.param((10, 20, 5000), True, id="the median counts"),
        pytest.param((10, 1000, 5000), False, id="a second is too long"),
        pytest.param((-1,), False, id="before its cause"),
        pytest.param((), False, id="no command"),
    ],
)
def test_commands_come_within_a_second(waits_ms: tuple[int, ...], holds: bool) -> None:
    assert latency(*waits_ms).held is holds


def test_commands_that_waited_for_a_killed_ledger_are_told_apart() -> None:
    backlog = Backlog(commands={5: 1}, frames={0: 3})
    check = latency(10, 5000, 6000, 30, backlogs=(backlog,))
    assert check.held
    assert check.found == (
        "0.020 s median, 0.030 s at most, 2 commands; while it caught up 5.500 s median, 6.000 s at most, 2 commands"
    )


def test_when_all_commands_waited_nothing_is_shown() -> None:
    assert not latency(10, backlogs=(Backlog(commands={}, frames={0: 1}),)).held
