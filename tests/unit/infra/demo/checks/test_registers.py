"""Registers in ClickHouse are the meters' own."""

from dataclasses import replace

import pytest

from infra.demo.checks.registers import MeterShown, check_registers

GOOD = MeterShown(last=120, highest=120, true_then=120, true_before=100)


@pytest.mark.parametrize(
    ("shown", "holds"),
    [
        pytest.param(GOOD, [True, True, True], id="as shown"),
        pytest.param(replace(GOOD, last=110, highest=110), [True, True, True], id="a step behind"),
        pytest.param(replace(GOOD, last=130, highest=130), [True, False, False], id="above the truth"),
        pytest.param(replace(GOOD, highest=130), [True, False, True], id="an earlier one above the truth"),
        pytest.param(replace(GOOD, last=90), [True, True, False], id="older than an answer can be"),
        pytest.param(None, [False, False, False], id="never read"),
    ],
)
def test_registers_are_held_against_the_truth(shown: MeterShown | None, holds: list[bool]) -> None:
    assert [check.held for check in check_registers({"M1": shown})] == holds


def test_one_meter_of_many_that_was_not_read_fails() -> None:
    checks = check_registers({"M1": GOOD, "M2": None})
    assert [check.held for check in checks] == [False, True, True]
    assert "not M2" in checks[0].found
