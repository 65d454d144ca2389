from pathlib import Path

import pytest

from collectors.wire.dlt645 import encode_frame
from infra.fleet.fleet import Fleet
from infra.fleet.gateways.dlt645_bus import Dlt645Bus
from infra.fleet.journal import ControlJournal
from infra.fleet.layout import lay_out
from infra.fleet.property import Link, PropertySize

from .samples import ORIGIN_MS
from .test_fleet import HandClock

READ_ENERGY = "68 12 90 78 56 34 12 68 11 04 33 33 34 33 68 16"
ENERGY_REQUEST = bytes.fromhex(READ_ENERGY)


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    group = lay_out(PropertySize(1, 2, 6), origin_ms=ORIGIN_MS)
    return Fleet(group, clock=HandClock(), journal=ControlJournal(tmp_path / "controls.jsonl"))


@pytest.fixture
def line(fleet: Fleet) -> Dlt645Bus:
    (plan,) = (plan for plan in fleet.group.gateways if plan.link is Link.DIAL_IN)
    return Dlt645Bus(fleet, [fleet.meters[spec.meter] for spec in plan.meters])


def requests(line: Dlt645Bus, *chunks: str) -> list[bytes]:
    heard = []
    for chunk in chunks:
        line.feed(bytes.fromhex(chunk))
        while (request := line.next_request()) is not None:
            heard.append(request)
    return heard


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([f"FE FE FE FE {READ_ENERGY}"], id="preamble"),
        pytest.param([READ_ENERGY[:17], READ_ENERGY[18:]], id="two pieces"),
        pytest.param([f"{byte}" for byte in READ_ENERGY.split()], id="byte by byte"),
        pytest.param([f"00 68 01 02 {READ_ENERGY}"], id="noise with a start byte"),
        pytest.param([f"{READ_ENERGY[:-5]} 19 16 {READ_ENERGY}"], id="wrong checksum before it"),
        pytest.param([READ_ENERGY[:29], READ_ENERGY], id="a torn frame before it"),
        pytest.param([f"68 12 90 78 56 34 12 68 11 FF {READ_ENERGY}"], id="impossible length before it"),
    ],
)
def test_a_frame_is_found_among_other_bytes(line: Dlt645Bus, chunks: list[str]) -> None:
    assert requests(line, *chunks) == [ENERGY_REQUEST]


def test_two_frames_in_one_piece(line: Dlt645Bus) -> None:
    assert requests(line, READ_ENERGY + READ_ENERGY) == [ENERGY_REQUEST] * 2


def test_a_new_connection_forgets_half_a_frame(line: Dlt645Bus) -> None:
    line.feed(bytes.fromhex(READ_ENERGY)[:-1])
    line.clear()
    assert requests(line, READ_ENERGY[-2:]) == []


def test_frames_of_1997_are_passed_over(line: Dlt645Bus) -> None:
    assert requests(line, "68 03 00 00 00 00 00 68 01 02 43 C3 DC 16", READ_ENERGY) == [ENERGY_REQUEST]


def test_the_meter_that_is_asked_answers(line: Dlt645Bus, fleet: Fleet) -> None:
    spec = fleet.group.gateways[1].meters[1]
    found = line.answer(encode_frame(spec.address, 0x11, bytes.fromhex("00 00 01 00")))
    digits = bytes.fromhex(f"{spec.initial_wh // 10:08d}")[::-1]
    expected = encode_frame(spec.address, 0x91, bytes.fromhex("00 00 01 00") + digits)
    assert found == b"\xfe" * 4 + expected


def test_a_trip_opens_the_relay(line: Dlt645Bus, fleet: Fleet) -> None:
    spec = fleet.group.gateways[1].meters[0]
    trip = bytes.fromhex("02 00 00 00 01 00 00 00 1A 00 00 00 00 30 12 99")
    assert line.answer(encode_frame(spec.address, 0x1C, trip)) is not None
    assert fleet.truth(spec.meter).relay == "open"


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("999999999999", id="broadcast"),
        pytest.param("010203040506", id="nobody"),
        pytest.param("AAAAAAAAAAAA", id="wildcard that fits three"),
    ],
)
def test_nobody_answers(line: Dlt645Bus, address: str) -> None:
    assert line.answer(encode_frame(address, 0x13)) is None


def test_a_wildcard_that_fits_one_is_answered_with_the_true_address(line: Dlt645Bus, fleet: Fleet) -> None:
    spec = fleet.group.gateways[1].meters[2]
    found = line.answer(encode_frame("AAAAAAAA" + spec.address[8:], 0x13))
    expected = encode_frame(spec.address, 0x93, bytes.fromhex(spec.address)[::-1])
    assert found == b"\xfe" * 4 + expected
