"""Rounds read together give what each meter answered, in order, with supply joined and nothing lost."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from collectors.wire.round import Block, Round, decode_round
from streams.core.outcome import Supply
from streams.decode import Readings, read_rounds
from tests.ledger_inputs import BEGIN_MS, DLT645, MODBUS, energy_frames, energy_round, relay_frames


@dataclass
class KnownMeters:
    """Meters by gateway and address."""

    numbers: Mapping[tuple[str, int], int] = field(default_factory=dict)

    def meter_numbers(self, gateway: str, addresses: NDArray[np.uint64]) -> NDArray[np.int32]:
        return np.array([self.numbers.get((gateway, address), -1) for address in addresses.tolist()], np.int32)


METERS = KnownMeters({("G1", 1): 10, ("G1", 2): 11, ("G1", 3): 12, ("G2", 1): 20, ("G3", 161): 30, ("G3", 162): 31})


def modbus_round(gateway: str, addresses: list[int], registers: list[int], *, at: int = BEGIN_MS) -> Round:
    return decode_round(energy_round("S1", gateway, at=at, addresses=addresses, registers=registers))


def blocks_round(*blocks: Block, gateway: str = "G1", at: int = BEGIN_MS) -> Round:
    return Round("S1", gateway, at, blocks)


def energy(addresses: list[int], registers: list[int], template: str = MODBUS) -> Block:
    meters = np.array(addresses, np.uint64)
    frames = energy_frames(template, meters, np.array(registers, np.int64))
    return Block(template, "energy", meters, np.full(len(meters), BEGIN_MS), frames.shape[1], None, frames.tobytes())


def relay(addresses: list[int], *, on: bool) -> Block:
    meters = np.array(addresses, np.uint64)
    frames = relay_frames(MODBUS, meters, on=on)
    return Block(MODBUS, "relay", meters, np.full(len(meters), BEGIN_MS), frames.shape[1], None, frames.tobytes())


def rows(found: Readings) -> list[tuple[int, ...]]:
    batch = found.batch
    return list(
        zip(
            batch.offset.tolist(),
            batch.line.tolist(),
            batch.meter.tolist(),
            batch.register.tolist(),
            batch.supply.tolist(),
            strict=True,
        )
    )


def test_rounds_come_out_in_the_order_of_the_input() -> None:
    dlt645 = energy_round("S1", "G3", at=BEGIN_MS, addresses=[161, 162], registers=[7, 8], template=DLT645)
    found = read_rounds(
        METERS,
        [
            (5, modbus_round("G1", [1, 2], [100, 200])),
            (6, decode_round(dlt645)),
            (9, modbus_round("G2", [1], [300], at=BEGIN_MS + 1000)),
            (10, modbus_round("G1", [1], [101])),
        ],
    )
    on = Supply.ON
    assert rows(found) == [
        (5, 0, 10, 1000, on),
        (5, 1, 11, 2000, on),
        (6, 0, 30, 70, on),
        (6, 1, 31, 80, on),
        (9, 0, 20, 3000, on),
        (10, 0, 10, 1010, on),
    ]
    assert found.batch.at.tolist() == [BEGIN_MS + 500] * 4 + [BEGIN_MS + 1500, BEGIN_MS + 500]
    assert found.batch.read_at.tolist() == [BEGIN_MS] * 4 + [BEGIN_MS + 1000, BEGIN_MS]
    assert (found.rejected, found.unknown) == ([], {})


def test_many_rounds_read_together_are_the_same_as_one_by_one() -> None:
    rounds = [(n, modbus_round("G1", [1, 2, 3][: n % 3 + 1], [n, n + 1, n + 2][: n % 3 + 1])) for n in range(20)]
    together = read_rounds(METERS, rounds)
    apart = [row for one in rounds for row in rows(read_rounds(METERS, [one]))]
    assert rows(together) == apart


def test_no_rounds_give_an_empty_batch() -> None:
    found = read_rounds(METERS, [])
    assert rows(found) == []


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        pytest.param([1, 2, 3], [Supply.OFF, Supply.OFF, Supply.OFF], id="the same meters"),
        pytest.param([3, 1], [Supply.OFF, Supply.UNKNOWN, Supply.OFF], id="some, in another order"),
        pytest.param([], [Supply.UNKNOWN] * 3, id="none"),
        pytest.param([9], [Supply.UNKNOWN] * 3, id="another"),
    ],
)
def test_supply_is_joined_by_address(addresses: list[int], expected: list[Supply]) -> None:
    found = read_rounds(METERS, [(0, blocks_round(energy([1, 2, 3], [1, 2, 3]), relay(addresses, on=False)))])
    assert found.batch.supply.tolist() == expected


def test_supply_is_joined_within_its_round_only() -> None:
    found = read_rounds(
        METERS,
        [
            (0, blocks_round(energy([1, 2], [1, 2]))),
            (1, blocks_round(relay([2], on=False), energy([1, 2], [1, 2]))),
            (2, blocks_round(energy([1], [3]), relay([1], on=True))),
        ],
    )
    unknown = Supply.UNKNOWN
    assert found.batch.supply.tolist() == [unknown, unknown, unknown, Supply.OFF, Supply.ON]


def test_lines_count_all_frames_of_a_record() -> None:
    found = read_rounds(METERS, [(4, blocks_round(relay([1], on=True), energy([1, 2], [1, 2]), energy([3], [3])))])
    assert found.batch.line.tolist() == [1, 2, 3]


def test_a_damaged_frame_is_set_aside_with_its_bytes() -> None:
    block = energy([161, 162], [1, 2], DLT645)
    data = bytearray(block.data)
    data[15] ^= 0xFF
    damaged = Block(DLT645, "energy", block.addresses, block.read_at, block.frame_length, None, bytes(data))
    found = read_rounds(METERS, [(3, blocks_round(damaged, gateway="G3"))])
    assert [row[2] for row in rows(found)] == [31]
    (frame,) = found.rejected
    assert (frame.offset, frame.line, frame.reason) == (3, 0, "damaged")
    assert frame.data == bytes(data[: block.frame_length])
    assert "G3/161" in frame.detail
    assert "byte" in frame.detail


def test_frames_of_lengths_that_vary_are_read_and_set_aside_too() -> None:
    good = energy([1], [5]).data
    block = Block.of_frames(MODBUS, "energy", [1, 2], [BEGIN_MS, BEGIN_MS], [good, good[:5]])
    found = read_rounds(METERS, [(0, blocks_round(block))])
    assert [row[2:4] for row in rows(found)] == [(10, 50)]
    assert [frame.data for frame in found.rejected] == [good[:5]]


def test_a_damaged_relay_frame_leaves_the_reading() -> None:
    block = relay([1], on=True)
    damaged = Block(MODBUS, "relay", block.addresses, block.read_at, block.frame_length, None, b"\0" * 13)
    found = read_rounds(METERS, [(0, blocks_round(energy([1], [5]), damaged))])
    assert rows(found) == [(0, 0, 10, 50, Supply.UNKNOWN)]
    assert [(frame.line, frame.reason) for frame in found.rejected] == [(1, "damaged")]


def test_an_unknown_meters_reading_stays_and_its_frame_is_kept() -> None:
    block = energy([1, 77], [5, 6])
    found = read_rounds(METERS, [(8, blocks_round(block))])
    assert [row[2] for row in rows(found)] == [10, -1]
    assert found.unknown == {(8, 1): "G1/77"}
    (frame,) = found.rejected
    assert (frame.line, frame.reason, frame.data) == (1, "unknown", block.data[13:])


@pytest.mark.parametrize(
    ("template", "item", "reason"),
    [pytest.param("nobody's", "energy", "template", id="template"), pytest.param(MODBUS, "power", "item", id="item")],
)
def test_what_nobody_can_read_is_set_aside(template: str, item: str, reason: str) -> None:
    block = Block.of_frames(template, item, [1, 2], [BEGIN_MS, BEGIN_MS], [b"abc", b"def"])
    found = read_rounds(METERS, [(0, blocks_round(block, energy([1], [5])))])
    assert [row[1] for row in rows(found)] == [2]
    assert [(frame.line, frame.reason, frame.data) for frame in found.rejected] == [
        (0, reason, b"abc"),
        (1, reason, b"def"),
    ]
