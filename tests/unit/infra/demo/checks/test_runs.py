"""Kills and what was taken."""

import pytest

from infra.demo.checks.runs import Kill, check_drained, check_kills


def kill(back_pid: int | None = 8, member: str = "sink") -> Kill:
    return Kill(member, pid=7, back_pid=back_pid, took_s=1.5)


@pytest.mark.parametrize(
    ("kills", "holds"),
    [
        pytest.param([kill(), kill()], [True, True], id="both came back"),
        pytest.param([kill(), kill(None)], [True, False], id="one stayed away"),
        pytest.param([kill(7), kill()], [False, True], id="one never went"),
        pytest.param([kill()], [True, False], id="one was not killed"),
        pytest.param([kill(), kill(member="ledger-0")], [True, False], id="another was killed"),
    ],
)
def test_each_kill_has_a_line(kills: list[Kill], holds: list[bool]) -> None:
    assert [check.held for check in check_kills(kills, {"sink": 2})] == holds


@pytest.mark.parametrize(
    ("ends", "taken", "sink_is_done", "holds"),
    [
        pytest.param({"f/0": 3}, {"f/0": 3, "f/1": 0}, True, True, id="all"),
        pytest.param({"f/0": 3}, {"f/0": 2}, True, False, id="not the last"),
        pytest.param({"f/0": 3}, {"f/0": 4}, True, False, id="more than there is"),
        pytest.param({"f/0": 3}, {}, True, False, id="nothing"),
        pytest.param({"f/0": 3}, {"f/0": 3}, False, False, id="the sink is behind"),
        pytest.param({}, {}, True, False, id="there was nothing to take"),
    ],
)
def test_everything_is_taken(ends: dict[str, int], taken: dict[str, int], sink_is_done: bool, holds: bool) -> None:
    assert check_drained(ends, taken, sink_is_done=sink_is_done).held is holds
