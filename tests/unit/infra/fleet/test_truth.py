import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from infra.fleet.fleet import Fleet
from infra.fleet.journal import ControlJournal
from infra.fleet.layout import lay_out
from infra.fleet.property import DEMO, PropertySize
from infra.fleet.truth import answer

from .samples import HOUR_MS, ORIGIN_MS
from .test_fleet import HandClock


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with ControlJournal(tmp_path / "controls.jsonl") as journal:
        yield Fleet(lay_out(PropertySize(1, 2, 6), origin_ms=ORIGIN_MS), clock=HandClock(), journal=journal)


def ask(fleet: Fleet, request: object) -> Any:
    return json.loads(json.dumps(answer(fleet, json.dumps(request).encode() + b"\n")))


def test_one_meter_now_and_at_a_time(fleet: Fleet) -> None:
    assert ask(fleet, {"meter": DEMO.meter}) == asdict(fleet.truth(DEMO.meter))
    later = ORIGIN_MS + HOUR_MS
    assert ask(fleet, {"meter": DEMO.meter, "at_ms": later}) == asdict(fleet.truth(DEMO.meter, later))


def test_all_meters_at_one_time(fleet: Fleet) -> None:
    found = ask(fleet, {"all": True})
    assert found["at_ms"] == ORIGIN_MS
    assert found["meters"] == [asdict(fleet.truth(meter)) for meter in fleet.meters]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        pytest.param(b"\n", "not a JSON line", id="empty"),
        pytest.param(b"\xff\n", "not a JSON line", id="no text"),
        pytest.param(b"[1]\n", "ask for a meter, or for all", id="list"),
        pytest.param(b'{"meter": 7}\n', "ask for a meter, or for all", id="meter is a number"),
        pytest.param(b'{"all": false}\n', "ask for a meter, or for all", id="not all"),
        pytest.param(b'{"meter": "S9-M0001"}\n', "no meter S9-M0001", id="unknown meter"),
        pytest.param(b'{"meter": "S1-M0001", "at_ms": "now"}\n', "at_ms is not a whole number", id="time"),
        pytest.param(b'{"meter": "S1-M0001", "at_ms": true}\n', "at_ms is not a whole number", id="truth"),
    ],
)
def test_other_requests_are_told_what_is_wrong(fleet: Fleet, line: bytes, error: str) -> None:
    assert answer(fleet, line) == {"error": error}
