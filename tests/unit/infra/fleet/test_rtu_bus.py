"""A bus of Acrel meters by Modbus RTU, as the collector's own codec sees it."""

from pathlib import Path

import pytest

from collectors.wire import modbus_rtu
from infra.fleet.fleet import Fleet
from infra.fleet.gateways.rtu_bus import RtuBus
from infra.fleet.journal import ControlJournal
from infra.fleet.layout import lay_out
from infra.fleet.property import Link, PropertySize

from .samples import ORIGIN_MS
from .test_fleet import HandClock

READ_ENERGY = modbus_rtu.encode_read(1, start=0, words=2)
CUT = modbus_rtu.encode_write(1, start=0x57, values=(1, 1))


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    group = lay_out(PropertySize(1, 1, 3, links=(Link.RTU,)), origin_ms=ORIGIN_MS)
    return Fleet(group, clock=HandClock(), journal=ControlJournal(tmp_path / "controls.jsonl"))


@pytest.fixture
def bus(fleet: Fleet) -> RtuBus:
    return RtuBus(fleet, fleet.meters.values())


def requests(bus: RtuBus, *chunks: bytes) -> list[bytes]:
    heard = []
    for chunk in chunks:
        bus.feed(chunk)
        while (request := bus.next_request()) is not None:
            heard.append(request)
    return heard


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([READ_ENERGY, CUT], id="one by one"),
        pytest.param([READ_ENERGY + CUT], id="in one piece"),
        pytest.param([READ_ENERGY[:3], READ_ENERGY[3:] + CUT[:10], CUT[10:]], id="in pieces"),
        pytest.param([b"\x01\x03\x00" + READ_ENERGY, b"\xff" * 7 + CUT], id="among other bytes"),
    ],
)
def test_requests_are_found(bus: RtuBus, chunks: list[bytes]) -> None:
    assert requests(bus, *chunks) == [READ_ENERGY, CUT]


def test_a_request_with_a_wrong_bit_is_none(bus: RtuBus) -> None:
    wrong = bytearray(READ_ENERGY)
    wrong[3] ^= 1
    assert requests(bus, bytes(wrong), READ_ENERGY) == [READ_ENERGY]


def test_the_register_is_read(bus: RtuBus, fleet: Fleet) -> None:
    answer = bus.answer(READ_ENERGY)
    assert answer is not None
    high, low = modbus_rtu.read_words(modbus_rtu.decode_frame(answer))
    assert (high << 16 | low) * 10 == fleet.group.meters[0].initial_wh


def test_a_cut_opens_the_relay_and_is_read_back(bus: RtuBus, fleet: Fleet) -> None:
    assert bus.answer(CUT) == modbus_rtu.encode_frame(1, 0x10, CUT[2:6])
    assert fleet.truth(fleet.group.meters[0].meter).relay == "open"
    answer = bus.answer(modbus_rtu.encode_read(1, start=0x57, words=2))
    assert answer is not None
    assert modbus_rtu.read_words(modbus_rtu.decode_frame(answer)) == (1, 1)


@pytest.mark.parametrize(
    ("request_bytes", "exception"),
    [
        pytest.param(modbus_rtu.encode_read(1, start=0x61, words=2), 2, id="beyond the map"),
        pytest.param(modbus_rtu.encode_write(1, start=0x00, values=(0,)), 2, id="a register that is read alone"),
        pytest.param(modbus_rtu.encode_write(1, start=0x57, values=(1, 2)), 3, id="no control value"),
    ],
)
def test_what_is_refused(bus: RtuBus, fleet: Fleet, request_bytes: bytes, exception: int) -> None:
    answer = bus.answer(request_bytes)
    assert answer is not None
    assert modbus_rtu.decode_frame(answer).exception == exception
    assert fleet.truth(fleet.group.meters[0].meter).relay == "closed"


def test_nobody_answers_for_a_unit_without_a_meter(bus: RtuBus) -> None:
    assert bus.answer(modbus_rtu.encode_read(9, start=0, words=2)) is None
