"""A bus of CJ/T188 water meters, as the collector's own codec sees it."""

from pathlib import Path

import pytest

from collectors.wire import cjt188
from infra.fleet.fleet import Fleet
from infra.fleet.gateways.cjt188_bus import Cjt188Bus
from infra.fleet.journal import ControlJournal
from infra.fleet.layout import lay_out
from infra.fleet.property import Link, PropertySize

from .samples import ORIGIN_MS
from .test_fleet import HandClock


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    group = lay_out(PropertySize(1, 1, 3, links=(Link.WATER,)), origin_ms=ORIGIN_MS)
    return Fleet(group, clock=HandClock(), journal=ControlJournal(tmp_path / "controls.jsonl"))


@pytest.fixture
def bus(fleet: Fleet) -> Cjt188Bus:
    return Cjt188Bus(fleet, fleet.meters.values())


def asked(bus: Cjt188Bus, request: bytes) -> cjt188.Cjt188Frame:
    bus.feed(b"\xfe\xfe" + request)
    heard = bus.next_request()
    assert heard == request
    answer = bus.answer(heard)
    assert answer is not None
    return cjt188.decode_frame(cjt188.strip_junk(answer))


@pytest.mark.parametrize("swapped", [False, True])
def test_the_register_is_read_in_either_order_of_the_identifier(bus: Cjt188Bus, fleet: Fleet, swapped: bool) -> None:
    spec = fleet.group.meters[1]
    frame = asked(bus, cjt188.encode_read(0x10, spec.address, cjt188.READING, 7, swapped=swapped))
    body = cjt188.read_body(frame, cjt188.READING)
    assert (frame.address, frame.ser) == (spec.address, 7)
    assert int(body[3::-1].hex()) * 10 == spec.initial_wh
    assert body[4] == 0x2C
    assert body[10:17].hex() == "00000802032620"
    assert body[17] & 0x03 == 0


def test_a_valve_moves_behind_its_answer(bus: Cjt188Bus, fleet: Fleet) -> None:
    spec = fleet.group.meters[0]
    answer = asked(bus, cjt188.encode_valve(0x10, spec.address, 8, cjt188.VALVE_CLOSE))
    assert answer.control == cjt188.WRITE | cjt188.ANSWER
    assert answer.body[0] & 0x03 == 0
    assert fleet.truth(spec.meter).relay == "open"
    body = cjt188.read_body(asked(bus, cjt188.encode_read(0x10, spec.address, cjt188.READING, 9)), cjt188.READING)
    assert body[17] & 0x03 == 1


def test_what_is_not_understood_is_refused(bus: Cjt188Bus, fleet: Fleet) -> None:
    spec = fleet.group.meters[0]
    assert asked(bus, cjt188.encode_valve(0x10, spec.address, 8, 0x77)).abnormal
    assert fleet.truth(spec.meter).relay == "closed"


def test_nobody_answers_for_another_address(bus: Cjt188Bus) -> None:
    assert bus.answer(cjt188.encode_read(0x10, "99999999999998", cjt188.READING, 7)) is None
