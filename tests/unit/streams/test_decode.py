"""Rounds read together give what each meter answered, in order, with supply joined and nothing lost.

Every case is read twice: by a reader that sees the gateways for the first time, and by one that knows their layouts.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from collectors.wire import dlt645, modbus
from collectors.wire.round import Block, Round, decode_round, encode_round
from collectors.wire.templates import TEMPLATES
from streams import decode as module
from streams.core.conditions import EVENTS
from streams.core.outcome import Supply
from streams.core.told import BANDS_MAX, UNTOLD
from streams.decode import Readings, RoundReader, read_rounds
from tests.ledger_inputs import BEGIN_MS, DLT645, MODBUS, energy_frames, energy_round, never_ahead, relay_frames

SITE = "S1"
ON, OFF, UNKNOWN = Supply.ON, Supply.OFF, Supply.UNKNOWN


@dataclass
class KnownMeters:
    """Meters by gateway and address."""

    numbers: Mapping[tuple[str, int], int] = field(default_factory=dict)

    def meter_numbers(self, gateway: str, addresses: NDArray[np.uint64]) -> NDArray[np.int32]:
        return np.array([self.numbers.get((gateway, address), -1) for address in addresses.tolist()], np.int32)


METERS = KnownMeters({("G1", 1): 10, ("G1", 2): 11, ("G1", 3): 12, ("G2", 1): 20, ("G3", 161): 30, ("G3", 162): 31})


@dataclass
class Record:
    offset: int
    value: bytes | None
    key: bytes | None = SITE.encode()
    timestamp: int = 0


Read = Callable[..., Readings]


def read_first(*records: tuple[int, bytes | None]) -> Readings:
    return RoundReader(SITE, METERS, never_ahead).read([Record(*record) for record in records])


def read_again(*records: tuple[int, bytes | None]) -> Readings:
    reader = RoundReader(SITE, METERS, never_ahead)
    reader.read([Record(*record) for record in records])
    return reader.read([Record(*record) for record in records])


twice = pytest.mark.parametrize("read", [pytest.param(read_first, id="first"), pytest.param(read_again, id="again")])


def energy(addresses: list[int], registers: list[int], template: str = MODBUS) -> Block:
    meters = np.array(addresses, np.uint64)
    frames = energy_frames(template, meters, np.array(registers, np.int64))
    return Block(template, "energy", meters, np.full(len(meters), BEGIN_MS), frames.shape[1], None, frames.tobytes())


def relay(addresses: list[int], *, on: bool) -> Block:
    meters = np.array(addresses, np.uint64)
    frames = relay_frames(MODBUS, meters, on=on)
    return Block(MODBUS, "relay", meters, np.full(len(meters), BEGIN_MS), frames.shape[1], None, frames.tobytes())


def modbus_round(gateway: str, addresses: list[int], registers: list[int], *, at: int = BEGIN_MS) -> bytes:
    return energy_round(SITE, gateway, at=at, addresses=addresses, registers=registers)


def blocks_round(*blocks: Block, gateway: str = "G1", at: int = BEGIN_MS) -> bytes:
    return encode_round(Round(SITE, gateway, at, blocks))


def rows(found: Readings) -> list[tuple[int, ...]]:
    """Offset, line, meter, register and supply of each reading."""
    batch = found.batch
    columns = (batch.offset, batch.line, batch.meter, batch.register, batch.supply)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@twice
def test_rounds_come_out_in_the_order_of_the_input(read: Read) -> None:
    dlt645 = energy_round(SITE, "G3", at=BEGIN_MS, addresses=[161, 162], registers=[7, 8], template=DLT645)
    found = read(
        (5, modbus_round("G1", [1, 2], [100, 200])),
        (6, dlt645),
        (9, modbus_round("G2", [1], [300], at=BEGIN_MS + 1000)),
        (10, modbus_round("G1", [1], [101])),
    )
    assert rows(found) == [
        (5, 0, 10, 1000, ON),
        (5, 1, 11, 2000, ON),
        (6, 0, 30, 70, ON),
        (6, 1, 31, 80, ON),
        (9, 0, 20, 3000, ON),
        (10, 0, 10, 1010, ON),
    ]
    assert found.batch.at.tolist() == [BEGIN_MS + 500] * 4 + [BEGIN_MS + 1500, BEGIN_MS + 500]
    assert found.batch.read_at.tolist() == [BEGIN_MS] * 4 + [BEGIN_MS + 1000, BEGIN_MS]
    assert (found.rejected, found.unknown) == ([], {})


@twice
def test_many_rounds_read_together_are_the_same_as_one_by_one(read: Read) -> None:
    rounds = [(n, modbus_round("G1", [1, 2, 3][: n % 3 + 1], [n, n + 1, n + 2][: n % 3 + 1])) for n in range(20)]
    assert rows(read(*rounds)) == [row for one in rounds for row in rows(read(one))]


def test_rounds_that_are_parsed_already_are_read_alike() -> None:
    values = [modbus_round("G1", [1, 77], [5, 6]), blocks_round(energy([2], [7]), relay([1], on=True))]
    parsed = read_rounds(METERS, [(offset, decode_round(value)) for offset, value in enumerate(values, start=3)])
    found = read_first(*enumerate(values, start=3))
    assert rows(parsed) == rows(found)
    assert (parsed.rejected, parsed.unknown) == (found.rejected, found.unknown)


def test_a_layout_that_is_known_is_not_taken_for_another() -> None:
    reader = RoundReader(SITE, METERS, never_ahead)
    reader.read([Record(0, blocks_round(energy([1, 2], [5, 6]), relay([1, 2], on=True)))])
    others = [
        blocks_round(energy([2, 1], [5, 6]), relay([2, 1], on=True)),
        blocks_round(energy([1, 2], [5, 6]), energy([1, 2], [7, 8])),
        blocks_round(energy([1, 2], [5, 6], "ddsy1352"), relay([1, 2], on=True)),
        blocks_round(relay([1, 2], on=True), energy([1, 2], [5, 6])),
        blocks_round(energy([1, 2], [5, 6])),
    ]
    for value in others:
        assert rows(reader.read([Record(0, value)])) == rows(read_first((0, value)))


def test_an_address_that_is_twice_in_a_round_is_read_alike_every_time() -> None:
    value = bytearray(blocks_round(energy([1, 1], [5, 6]), relay([1, 1], on=False)))
    value[-8] ^= 0x55
    records = [(0, bytes(value)), (1, bytes(value))]
    assert rows(read_again(*records)) == rows(read_first(*records))


rounds = st.lists(
    st.tuples(
        st.sampled_from(["G1", "G2", "G3"]),
        st.lists(st.integers(1, 4), max_size=4),
        st.sampled_from([MODBUS, DLT645]),
        st.lists(st.integers(1, 4), max_size=4) | st.none(),
        st.integers(-1, 300),
    ),
    max_size=8,
)


@given(rounds)
def test_known_layouts_change_nothing(drawn: list[tuple[str, list[int], str, list[int] | None, int]]) -> None:
    records = []
    for offset, (gateway, addresses, template, relays, damage) in enumerate(drawn):
        blocks = [energy(addresses, addresses, template)]
        blocks += [] if relays is None else [relay(relays, on=False)]
        value = bytearray(blocks_round(*blocks, gateway=gateway, at=BEGIN_MS + offset))
        if 0 <= damage < len(value):
            value[damage] ^= 0x55
        records.append((offset, bytes(value)))
    first, again = read_first(*records), read_again(*records)
    assert rows(first) == rows(again)
    assert first.batch.at.tolist() == again.batch.at.tolist()
    assert first.batch.read_at.tolist() == again.batch.read_at.tolist()
    assert (first.rejected, first.unknown) == (again.rejected, again.unknown)


items = st.sampled_from(["remaining", "overdraft", "count", "bands", "status", "cover_opened", "relay"])
beside = st.lists(st.tuples(items, st.booleans()), max_size=5)


@given(st.lists(st.tuples(st.sampled_from([[161, 162], [162, 161], [161]]), beside, st.integers(-1, 500)), max_size=5))
def test_known_layouts_change_nothing_of_what_is_told_beside(
    drawn: list[tuple[list[int], list[tuple[str, bool]], int]],
) -> None:
    """Items in any order, twice, of all meters or of one, with a byte damaged or none."""
    records = []
    for offset, (addresses, told_items, damage) in enumerate(drawn):
        blocks = [own_energy(*addresses)]
        for item, of_all in told_items:
            asked = TEMPLATES[OWN].item(item)
            assert asked is not None
            digits = {address: f"{address % 7:0{2 * asked.words}d}" for address in (addresses if of_all else [162])}
            blocks.append(told(item, digits))
        value = bytearray(blocks_round(*blocks, gateway="G3", at=BEGIN_MS + offset))
        if 0 <= damage < len(value):
            value[damage] ^= 0x55
        records.append((offset, bytes(value)))
    first, again = read_first(*records), read_again(*records)
    assert rows(first) == rows(again)
    assert shown_beside(first) == shown_beside(again)
    assert (first.rejected, first.unknown) == (again.rejected, again.unknown)


def shown_beside(found: Readings) -> list[Any]:
    """What each reading tells beside its register; a column that none tells is as one of nothing told."""
    batch, count = found.batch, len(found.batch)
    numbers = (batch.remaining, batch.count, batch.conditions)
    narrow = [np.full(count, UNTOLD) if each is None else each for each in numbers]
    bands = np.full((count, BANDS_MAX), UNTOLD) if batch.bands is None else batch.bands
    events = np.full((count, len(EVENTS)), UNTOLD) if batch.events is None else batch.events
    return [column.tolist() for column in (*narrow, bands, events)]


def test_remembering_layouts_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LAYOUTS_MAX", 2)
    records = [(n, modbus_round(f"G{n}", [1], [n])) for n in range(7)]
    assert rows(read_again(*records)) == rows(read_first(*records))


def test_no_rounds_give_an_empty_batch() -> None:
    assert rows(read_first()) == []


@twice
@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        pytest.param([1, 2, 3], [OFF, OFF, OFF], id="the same meters"),
        pytest.param([3, 1], [OFF, UNKNOWN, OFF], id="some, in another order"),
        pytest.param([], [UNKNOWN] * 3, id="none"),
        pytest.param([9], [UNKNOWN] * 3, id="another"),
    ],
)
def test_supply_is_joined_by_address(read: Read, addresses: list[int], expected: list[Supply]) -> None:
    found = read((0, blocks_round(energy([1, 2, 3], [1, 2, 3]), relay(addresses, on=False))))
    assert found.batch.supply.tolist() == expected


@twice
def test_supply_is_joined_within_its_round_only(read: Read) -> None:
    found = read(
        (0, blocks_round(energy([1, 2], [1, 2]))),
        (1, blocks_round(relay([2], on=False), energy([1, 2], [1, 2]))),
        (2, blocks_round(energy([1], [3]), relay([1], on=True))),
    )
    assert found.batch.supply.tolist() == [UNKNOWN, UNKNOWN, UNKNOWN, OFF, ON]


@twice
def test_lines_count_all_frames_of_a_record(read: Read) -> None:
    found = read((4, blocks_round(relay([1], on=True), energy([1, 2], [1, 2]), energy([3], [3]))))
    assert found.batch.line.tolist() == [1, 2, 3]


@twice
def test_a_damaged_frame_is_set_aside_with_its_bytes(read: Read) -> None:
    block = energy([161, 162], [1, 2], DLT645)
    data = bytearray(block.data)
    data[15] ^= 0xFF
    damaged = Block(DLT645, "energy", block.addresses, block.read_at, block.frame_length, None, bytes(data))
    found = read((3, blocks_round(damaged, gateway="G3")))
    assert [row[2] for row in rows(found)] == [31]
    (frame,) = found.rejected
    assert (frame.offset, frame.line, frame.reason) == (3, 0, "damaged")
    assert frame.data == bytes(data[: block.frame_length])
    assert "G3/161" in frame.detail
    assert "byte" in frame.detail


@twice
def test_frames_of_lengths_that_vary_are_read_and_set_aside_too(read: Read) -> None:
    good = energy([1], [5]).data
    block = Block.of_frames(MODBUS, "energy", [1, 2], [BEGIN_MS, BEGIN_MS], [good, good[:5]])
    found = read((0, blocks_round(block)))
    assert [row[2:4] for row in rows(found)] == [(10, 50)]
    assert [frame.data for frame in found.rejected] == [good[:5]]


@twice
def test_a_damaged_relay_frame_leaves_the_reading(read: Read) -> None:
    block = relay([1], on=True)
    damaged = Block(MODBUS, "relay", block.addresses, block.read_at, block.frame_length, None, b"\0" * 13)
    found = read((0, blocks_round(energy([1], [5]), damaged)))
    assert rows(found) == [(0, 0, 10, 50, UNKNOWN)]
    assert [(frame.line, frame.reason) for frame in found.rejected] == [(1, "damaged")]


@twice
def test_an_unknown_meters_reading_stays_and_its_frame_is_kept(read: Read) -> None:
    block = energy([1, 77], [5, 6])
    found = read((8, blocks_round(block)))
    assert [row[2] for row in rows(found)] == [10, -1]
    assert found.unknown == {(8, 1): "G1/77"}
    (frame,) = found.rejected
    assert (frame.line, frame.reason, frame.data) == (1, "unknown", block.data[13:])


@twice
@pytest.mark.parametrize(
    ("template", "item", "reason"),
    [pytest.param("nobody's", "energy", "template", id="template"), pytest.param(MODBUS, "power", "item", id="item")],
)
def test_what_nobody_can_read_is_set_aside(read: Read, template: str, item: str, reason: str) -> None:
    block = Block.of_frames(template, item, [1, 2], [BEGIN_MS, BEGIN_MS], [b"abc", b"def"])
    found = read((0, blocks_round(block, energy([1], [5]))))
    assert [row[1] for row in rows(found)] == [2]
    assert [(frame.line, frame.reason, frame.data) for frame in found.rejected] == [
        (0, reason, b"abc"),
        (1, reason, b"def"),
    ]


@twice
@pytest.mark.parametrize(
    ("value", "detail"),
    [
        pytest.param(None, "cut short", id="nothing"),
        pytest.param(b"SR\x01\xff", "cut short", id="cut in the site"),
        pytest.param(modbus_round("G1", [1], [5])[:-1], "cut short", id="cut in the frames"),
        pytest.param(modbus_round("G1", [1], [5]) + b"x", "behind the end", id="goes on"),
        pytest.param(
            energy_round("S2", "G1", at=BEGIN_MS, addresses=[1], registers=[5]), "of site 'S2'", id="another site"
        ),
    ],
)
def test_what_is_no_round_of_the_site_is_set_aside_whole(read: Read, value: bytes | None, detail: str) -> None:
    found = read((0, modbus_round("G1", [1], [5])), (1, value), (2, modbus_round("G1", [1], [6])))
    assert found.batch.offset.tolist() == [0, 2]
    (aside,) = found.rejected
    assert (aside.offset, aside.reason, aside.data) == (1, "malformed", value or b"")
    assert detail in aside.detail


OWN = "dtsy1352-dlt645"
"""A template with credit, overdraft, count and four tariffs."""


def told(item: str, answers: Mapping[int, str], template: str = OWN) -> Block:
    """A block of an item's answers: by address, digits as read from left to right."""
    asked = TEMPLATES[template].item(item)
    assert asked is not None
    frames = [
        dlt645.encode_read_answer(f"{address:012d}", asked.start, bytes.fromhex(digits)[::-1])
        for address, digits in answers.items()
    ]
    return Block.of_frames(template, item, list(answers), [BEGIN_MS] * len(answers), frames)


def own_energy(*addresses: int) -> Block:
    return energy(list(addresses), list(addresses), OWN)


ZERO = "00000000"


@twice
def test_credit_is_what_remains_less_what_was_overdrawn(read: Read) -> None:
    found = read(
        (
            0,
            blocks_round(
                own_energy(161, 162),
                told("remaining", {162: "00001250", 161: ZERO}),
                told("overdraft", {161: "00000375", 162: ZERO}),
                told("count", {161: "0003", 162: "0017"}),
                gateway="G3",
            ),
        )
    )
    assert found.batch.remaining is not None
    assert found.batch.count is not None
    assert found.batch.remaining.tolist() == [-3_750_000_000, 12_500_000_000]
    assert found.batch.count.tolist() == [3, 17]
    assert found.batch.bands is None
    assert not found.rejected


@twice
@pytest.mark.parametrize(
    ("beside", "rejected"),
    [
        pytest.param([told("remaining", {161: ZERO})], [], id="no overdraft"),
        pytest.param([told("overdraft", {161: ZERO})], [], id="overdraft alone"),
        pytest.param([told("remaining", {162: ZERO}), told("overdraft", {161: ZERO})], ["alone"], id="another meter"),
        pytest.param(
            [told("remaining", {161: ZERO}), told("overdraft", {161: "FFFFFFFF"})], ["damaged"], id="overdraft absent"
        ),
        pytest.param([told("remaining", {161: "00FF0000"}), told("overdraft", {161: ZERO})], ["damaged"], id="no BCD"),
        pytest.param(
            [told("remaining", {161: ZERO}, "ddsy1352-dlt645"), told("overdraft", {161: ZERO}, "ddsy1352-dlt645")],
            ["alone", "alone"],
            id="another kind of meter",
        ),
    ],
)
def test_credit_told_in_part_is_not_told(read: Read, beside: list[Block], rejected: list[str]) -> None:
    found = read((0, blocks_round(own_energy(161), *beside, gateway="G3")))
    assert [row[2:4] for row in rows(found)] == [(30, 1610)]
    assert found.batch.remaining is None or found.batch.remaining.tolist() == [UNTOLD]
    assert [frame.reason for frame in found.rejected] == rejected


@twice
def test_of_several_answers_the_last_good_one_counts(read: Read) -> None:
    good, damaged = {161: "00125000"}, {161: "00FF0000"}
    for tries, amount in (((good, damaged), 125_000), ((damaged, good), 125_000), (({161: ZERO}, good), 125_000)):
        beside = [told("remaining", each) for each in tries] + [told("overdraft", {161: ZERO})]
        found = read((0, blocks_round(own_energy(161), *beside, gateway="G3")))
        assert found.batch.remaining is not None
        assert found.batch.remaining.tolist() == [amount * 10_000_000]
        assert [frame.reason for frame in found.rejected] == ["damaged"] * tries.count(damaged)


@twice
def test_a_template_without_overdraft_tells_its_credit_alone(read: Read) -> None:
    remaining = modbus.encode_read_answer(1, 2, (0, 1250))
    block = Block.of_frames("dtsy1352-credit", "remaining", [2], [BEGIN_MS], [remaining])
    count = Block.of_frames("dtsy1352-credit", "count", [2], [BEGIN_MS], [modbus.encode_read_answer(1, 2, (9,))])
    found = read((0, blocks_round(energy([1, 2], [5, 6], "dtsy1352-credit"), block, count)))
    assert found.batch.remaining is not None
    assert found.batch.count is not None
    assert found.batch.remaining.tolist() == [UNTOLD, 12_500_000_000]
    assert found.batch.count.tolist() == [UNTOLD, 9]


@twice
def test_band_registers_are_those_of_the_tariffs_in_their_order(read: Read) -> None:
    """Beside a meter of another kind, one that does not tell, and a damaged answer."""
    total = "00001000"
    whole = f"{'00000400'}{'00000300'}{'00000200'}{'00000100'}{total}"
    damaged = f"{'00000400'}{'0000030A'}{'00000200'}{'00000100'}{total}"
    found = read(
        (0, blocks_round(own_energy(161, 162), told("bands", {161: whole}), gateway="G3")),
        (1, blocks_round(own_energy(161, 162), told("bands", {161: damaged, 162: whole}), gateway="G3")),
        (2, modbus_round("G1", [1], [5])),
    )
    assert found.batch.bands is not None
    untold, shown = [UNTOLD] * BANDS_MAX, [1000, 2000, 3000, 4000] + [UNTOLD] * (BANDS_MAX - 4)
    assert found.batch.bands.tolist() == [shown, untold, untold, shown, untold]
    assert [(frame.offset, frame.line, frame.reason) for frame in found.rejected] == [(1, 2, "damaged")]


@twice
def test_what_a_template_does_not_have_is_set_aside(read: Read) -> None:
    block = Block.of_frames(MODBUS, "bands", [1], [BEGIN_MS], [b"abc"])
    count = Block.of_frames(MODBUS, "count", [1], [BEGIN_MS], [b"def"])
    found = read((0, blocks_round(energy([1], [5]), block, count)))
    assert rows(found) == [(0, 0, 10, 50, UNKNOWN)]
    assert [(frame.line, frame.reason) for frame in found.rejected] == [(1, "damaged"), (2, "damaged")]
    assert ["has no bands" in found.rejected[0].detail, "has no count" in found.rejected[1].detail] == [True, True]
