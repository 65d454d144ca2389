"""The demo account's story, as the fleet and ClickHouse tell it."""

from dataclasses import replace

import pytest

from infra.demo.checks.supply import DARK_MS, Look, Story, Told, check_supply

CUT = Look(at_ms=1_000, register_wh=50, relay="open")
DARK = Look(at_ms=1_000 + DARK_MS, register_wh=50, relay="open")
RESTORED = Look(at_ms=2_000 + DARK_MS, register_wh=50, relay="closed")
LIT = Look(at_ms=9_000 + DARK_MS, register_wh=60, relay="closed")
STORY = Story(CUT, DARK, RESTORED, LIT)
TOLD = Told((("cut", "arrears"), ("restore", "recharge")), lowest=-1, read_after_ms=9_000 + DARK_MS)
ALL = [True] * 4


@pytest.mark.parametrize(
    ("story", "told", "holds"),
    [
        pytest.param(STORY, TOLD, ALL, id="the whole story"),
        pytest.param(Story(), TOLD, [False] * 4, id="nothing happened"),
        pytest.param(STORY, replace(TOLD, commands=()), [False, True, False, True], id="nobody commanded it"),
        pytest.param(STORY, replace(TOLD, lowest=0), [False, True, True, True], id="it never ran out"),
        pytest.param(STORY, replace(TOLD, lowest=None), [False, True, True, True], id="it was never read"),
        pytest.param(replace(STORY, cut=replace(CUT, relay="closed")), TOLD, [False, *ALL[1:]], id="not open"),
        pytest.param(
            replace(STORY, dark=replace(DARK, register_wh=51)), TOLD, [True, False, True, True], id="it went on"
        ),
        pytest.param(
            replace(STORY, dark=replace(DARK, at_ms=DARK.at_ms - 1)), TOLD, [True, False, True, True], id="not long"
        ),
        pytest.param(replace(STORY, restored=None, lit=None), TOLD, [True, True, False, False], id="stays cut"),
        pytest.param(replace(STORY, lit=None), TOLD, [True, True, True, False], id="stays still"),
        pytest.param(
            STORY, replace(TOLD, read_after_ms=RESTORED.at_ms), [True, True, True, False], id="nobody read it again"
        ),
    ],
)
def test_the_story_is_told_by_all(story: Story, told: Told, holds: list[bool]) -> None:
    assert [check.held for check in check_supply(story, told)] == holds
