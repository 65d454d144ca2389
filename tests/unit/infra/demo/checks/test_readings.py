"""Readings are there once, refused only before their meters, of both protocols and whole."""

import pytest

from infra.demo.checks.readings import (
    Refused,
    Shown,
    Source,
    check_damaged,
    check_once,
    check_protocols,
    check_refused,
)

A, B, C = Source(0, 1, 0), Source(0, 1, 1), Source(3, 0, 0)
SENT = {A: Shown("M1", 100, 1000), B: Shown("M2", 200, 1000), C: Shown("", 7, 900)}
STORED = [(A, SENT[A]), (B, SENT[B])]
REFUSED = [Refused(C, "unknown", "G1/7", posting=2)]


def test_readings_that_are_all_stored_or_refused_pass() -> None:
    check = check_once(SENT, STORED, REFUSED)
    assert check.held
    assert check.found == "3 sent = 2 stored + 1 refused; none missing, none twice"


@pytest.mark.parametrize(
    ("stored", "refused", "told"),
    [
        pytest.param(STORED[:1], REFUSED, "1 missing", id="missing"),
        pytest.param([*STORED, STORED[0]], REFUSED, "1 not only once", id="twice"),
        pytest.param(STORED, REFUSED * 2, "1 not only once", id="refused twice"),
        pytest.param(STORED, [*REFUSED, Refused(A, "unknown", "", 1)], "1 not only once", id="stored and refused"),
        pytest.param([*STORED, (Source(9, 9, 9), SENT[A])], REFUSED, "1 never sent", id="never sent"),
        pytest.param([(A, Shown("M1", 101, 1000)), STORED[1]], REFUSED, "1 changed", id="another register"),
        pytest.param([(A, Shown("M1", 100, 1001)), STORED[1]], REFUSED, "1 changed", id="another time"),
        pytest.param([(A, Shown("M2", 100, 1000)), STORED[1]], REFUSED, "1 changed", id="another meter"),
    ],
)
def test_readings_that_are_not_there_once_fail(
    stored: list[tuple[Source, Shown]], refused: list[Refused], told: str
) -> None:
    check = check_once(SENT, stored, refused)
    assert not check.held
    assert told in check.found


def test_no_reading_at_all_fails() -> None:
    assert not check_once({}, [], []).held


@pytest.mark.parametrize(
    ("refusal", "holds"),
    [
        pytest.param(Refused(A, "unknown", "G1/7", posting=4), True, id="before its meter was installed"),
        pytest.param(Refused(A, "unknown", "G1/7", posting=5), False, id="with the installation"),
        pytest.param(Refused(A, "unknown", "G1/7", posting=6), False, id="after it"),
        pytest.param(Refused(A, "invalid", "G1/7", posting=4), False, id="for another reason"),
        pytest.param(Refused(A, "unknown", "G1/8", posting=4), False, id="of a meter that nobody installed"),
    ],
)
def test_refusals_are_judged_by_the_installation(refusal: Refused, holds: bool) -> None:
    assert check_refused([refusal], {"G1/7": 5}).held is holds


def test_nothing_refused_passes() -> None:
    assert check_refused([], {}).held


def test_each_protocol_needs_a_reading() -> None:
    protocols = {"d1": "modbus", "d3": "modbus", "dlt645-2007": "dlt645-2007"}
    check = check_protocols({"d1": 2, "d3": 3, "dlt645-2007": 4}, protocols)
    assert (check.held, check.found) == (True, "dlt645-2007 4, modbus 5 (d1 2, d3 3)")
    assert not check_protocols({"d1": 2}, protocols).held


def test_a_damaged_frame_fails() -> None:
    assert check_damaged([]).held
    assert not check_damaged([A]).held
