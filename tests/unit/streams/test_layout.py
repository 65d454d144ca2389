"""Rounds in which some meters tell more than others are read as known layouts too, and say the same there."""

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.gateways.gathering import Gathering
from collectors.gateways.line import Item
from collectors.registry import GatewayPlan, MeterOnLine
from collectors.wire import dlt645
from collectors.wire.round import Block, Round, encode_round
from collectors.wire.templates import TEMPLATES
from streams import decode as module
from streams.decode import Readings, RoundReader
from tests.ledger_inputs import BEGIN_MS, never_ahead
from tests.unit.streams.test_decode import SITE, KnownMeters, Record, rows, shown_beside

TURNS = 12
"""Rounds in which each meter is asked for its counts of events once."""
COUNTING, PLAIN = "dtsy1352-dlt645", "dlt645-2007"
ADDRESSES = range(1, 31)
ALL_COUNT = dict.fromkeys(ADDRESSES, COUNTING)
OF_TWO_KINDS = {address: PLAIN if address % 5 == 0 else COUNTING for address in ADDRESSES}
METERS = KnownMeters({("G1", address): address for address in ADDRESSES if address != 7})


def gathered(templates: Mapping[int, str], number: int, silent: frozenset[int] = frozenset()) -> bytes:
    """A gateway's round as its session puts it together; meters whose turn it is tell their counts of events too."""
    meters = tuple(MeterOnLine(f"M{address}", address, TEMPLATES[name]) for address, name in templates.items())
    gathering = Gathering(GatewayPlan(SITE, "G1", "dial-in", "", 0, "R", meters))
    for meter in meters:
        if meter.address not in silent:
            asked = meter.template.requests(with_events=is_in_turn(meter.address, number))
            frames = [(Item(item), answer(meter, item, number)) for items in asked for item in items]
            gathering.add(meter, BEGIN_MS + number * 300_000 + meter.address, frames)
    taken = gathering.take(BEGIN_MS + number * 300_000 + 1_000)
    assert taken is not None
    return encode_round(taken)


def is_in_turn(address: int, number: int) -> bool:
    return (number + address) % TURNS == 0


def answer(meter: MeterOnLine, item: str, number: int) -> bytes:
    asked = meter.template.item(item)
    assert asked is not None
    value = bytes([number % 10, *[0] * (asked.words - 1)])
    return dlt645.encode_read_answer(f"{meter.address:012d}", asked.start, value)


def reader() -> RoundReader:
    return RoundReader(SITE, METERS, never_ahead)


def shown(found: Readings) -> object:
    times = found.batch.at.tolist(), found.batch.read_at.tolist()
    return rows(found), times, shown_beside(found), found.rejected, found.unknown


def read_apart(values: Sequence[bytes]) -> list[object]:
    """What each round says to a reader that knows no layout."""
    return [shown(reader().read([Record(offset, value)])) for offset, value in enumerate(values)]


@pytest.mark.parametrize(
    "templates", [pytest.param(ALL_COUNT, id="all count"), pytest.param(OF_TWO_KINDS, id="of two kinds")]
)
def test_each_turn_of_counting_events_is_parsed_once(
    monkeypatch: pytest.MonkeyPatch, templates: Mapping[int, str]
) -> None:
    values = [gathered(templates, number) for number in range(4 * TURNS)]
    expected, knowing = read_apart(values), reader()
    told = set()
    for number, value in enumerate(values):
        if number == TURNS:
            monkeypatch.setattr(module, "read_parsed", lambda *_: pytest.fail("it was parsed again"))
        found = knowing.read([Record(number, value)])
        assert shown(found) == expected[number]
        assert found.batch.events is not None
        counted = (found.batch.events == number % 10).all(axis=1)
        told |= {(number, address) for address in found.batch.read_at[counted] % 300_000}
    assert told == {
        (number, address)
        for number in range(len(values))
        for address, name in templates.items()
        if name == COUNTING and is_in_turn(address, number)
    }


@given(
    st.sampled_from([ALL_COUNT, OF_TWO_KINDS]),
    st.lists(
        st.tuples(
            st.integers(0, 2 * TURNS), st.frozensets(st.sampled_from(ADDRESSES), max_size=2), st.integers(-1, 9_000)
        ),
        max_size=4,
    ),
)
def test_turns_with_silent_meters_and_damage_say_what_they_say_apart(
    templates: Mapping[int, str], drawn: list[tuple[int, frozenset[int], int]]
) -> None:
    values = []
    for number, silent, damage in drawn * 2:
        value = bytearray(gathered(templates, number, silent))
        if 0 <= damage < len(value):
            value[damage] ^= 0x55
        values.append(bytes(value))
    knowing = reader()
    assert [shown(knowing.read([Record(*record)])) for record in enumerate(values)] == read_apart(values)


addresses = st.lists(st.integers(1, 6), min_size=0, max_size=4)
blocks = st.lists(
    st.tuples(
        st.sampled_from([COUNTING, PLAIN, "ddsy1352-dlt645"]),
        st.sampled_from(["energy", "energy", "relay", "status", "cover_opened", "bands"]),
        addresses | st.none(),
    ),
    max_size=7,
)


@given(st.lists(blocks, max_size=3), st.lists(st.integers(0, 9), max_size=3))
def test_blocks_in_any_order_say_what_they_say_apart(
    drawn: list[list[tuple[str, str, list[int] | None]]], digits: list[int]
) -> None:
    """Items of some meters, of other ones, before their registers, twice; several blocks of registers."""
    values = []
    for digit in digits:
        for of_round in drawn:
            found: list[Block] = []
            for template, item, named in of_round:
                asked = TEMPLATES[template].item(item)
                there = named if named is not None else found[-1].addresses.tolist() if found else [1]
                if asked is not None:
                    frames = [
                        dlt645.encode_read_answer(f"{each:012d}", asked.start, bytes([digit] * asked.words))
                        for each in there
                    ]
                    times = [BEGIN_MS + digit] * len(there)
                    found.append(Block.of_frames(template, item, there, times, frames))
            values.append(encode_round(Round(SITE, "G1", BEGIN_MS + digit, tuple(found))))
    knowing, records = reader(), [Record(*record) for record in enumerate(values)]
    assert [shown(knowing.read([record])) for record in records] == read_apart(values)
    assert shown(knowing.read(records)) == shown(reader().read(records))


def test_of_rounds_that_never_come_again_only_some_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are of one length, but of other meters each time."""
    monkeypatch.setattr(module, "TURNS_MAX", 2)
    values = [gathered({each: PLAIN for each in ADDRESSES if each != silent}, 0) for silent in ADDRESSES]
    knowing, records = reader(), [Record(*record) for record in enumerate(values)]
    found = [shown(knowing.read([record])) for record in records]
    assert found == read_apart(values)
    monkeypatch.setattr(module, "read_parsed", lambda *_: pytest.fail("it was forgotten"))
    assert [shown(knowing.read([record])) for record in records[-2:]] == found[-2:]
    with pytest.raises(pytest.fail.Exception, match="forgotten"):
        knowing.read(records[:1])


def test_of_one_meter_told_twice_in_a_block_the_good_answer_counts_every_time() -> None:
    asked = TEMPLATES[COUNTING].cover_opened
    assert asked is not None
    good = dlt645.encode_read_answer(f"{1:012d}", asked.start, b"\x05\0\0")
    energy = answer(MeterOnLine("M1", 1, TEMPLATES[COUNTING]), "energy", 0)
    blocks = (
        Block.of_frames(COUNTING, "energy", [1], [BEGIN_MS], [energy]),
        Block.of_frames(COUNTING, "cover_opened", [1, 1], [BEGIN_MS] * 2, [good, good[:-2] + b"\0\x16"]),
    )
    knowing, value = reader(), encode_round(Round(SITE, "G1", BEGIN_MS, blocks))
    for _ in range(2):
        events = knowing.read([Record(0, value)]).batch.events
        assert events is not None
        assert events[0, 0] == 5
