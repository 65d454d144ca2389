"""Supply of accounts with many meters, as the slow model has it."""

import json
from typing import Any

from streams.core.localtime import parse_time
from streams.core.outcome import Position, Source
from streams.core.site import SiteLedger
from streams.replay import replay
from tests.model import run

METERS = 40


def order(hour: int, name: str, **content: Any) -> str:
    return json.dumps({"at": f"2026-01-05T{hour:02}:00:00+08:00", "order": name, **content})


def test_many_meters_of_an_account_are_switched_like_few() -> None:
    lines = [
        order(0, "open_account", account="A"),
        order(0, "set_policy", protected=["06:00-08:00"]),
        order(0, "recharge", account="A", order_id="R1", amount="10"),
    ]
    lines += [
        order(1, "install_meter", meter=f"M{number}", account="A", kind="electricity", register="0")
        for number in range(METERS)
    ]
    lines += [order(2, "control", meter=f"M{number}", action="retain") for number in range(0, METERS, 7)]
    lines += [order(3, "control", meter=f"M{number}", action="cut") for number in range(1, METERS, 7)]
    lines += [
        order(7, "adjust", account="A", order_id="J1", amount="-20", reason="r"),
        order(9, "tick"),
        order(10, "control", meter="M0", action="release"),
        order(11, "recharge", account="A", order_id="R2", amount="30"),
        order(12, "control", meter="M1", action="restore"),
    ]
    found = replay(lines)
    assert found == run(lines)
    assert [command["reason"] for command in found["commands"]].count("arrears") > METERS // 2
    assert [command["reason"] for command in found["commands"]].count("recharge") > METERS // 2


def test_what_is_told_beside_supply_is_numbered_behind_what_its_line_switched() -> None:
    ledger = SiteLedger("S1")
    lines = [
        order(0, "open_account", account="A"),
        order(0, "set_policy", protected=["06:00-08:00"]),
        order(0, "install_meter", meter="M", account="A", kind="electricity", register="0"),
        order(7, "recharge", account="A", order_id="R1", amount="10"),
        order(7, "refund", account="A", order_id="F1", amount="10"),
        # The first line behind the protected hours cuts as well.
        order(9, "control", meter="M", action="sync_time"),
    ]
    for offset, line in enumerate(lines):
        given = json.loads(line)
        at = parse_time(given["at"])
        assert at is not None
        ledger.take_order(given, at=at, position=Position(Source.ORDERS, offset))
    assert [(command.action, command.sequence) for command in ledger.settle().commands] == [
        ("cut", 1),
        ("sync_time", 2),
    ]
