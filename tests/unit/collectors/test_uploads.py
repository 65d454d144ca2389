"""The body of an upload: what it becomes, and where it is wrong."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.uploads.body import BODY_BYTES_MAX, Upload, read_upload
from collectors.uploads.errors import UploadError
from collectors.uploads.plan import UploadPlanError, read_upload_plan
from collectors.wire.arrays import decode_registers, decode_supply
from collectors.wire.round import Round, decode_round, encode_round
from collectors.wire.templates import TEMPLATES
from streams.core.conditions import Condition, bit_of
from streams.core.localtime import format_time
from streams.core.outcome import Supply
from streams.core.told import UNTOLD
from streams.core.units import format_scaled
from streams.decode import read_rounds
from tests.integration.collector_lines import NOON_MS
from tests.unit.streams.test_decode import KnownMeters

HOUR_MS = 3_600_000
FRAME = bytes.fromhex("00070000000711030400 0186a0".replace(" ", ""))


def reading(address: str = "17", register: str = "1000", at: int = NOON_MS, **more: Any) -> dict[str, Any]:
    return {"address": address, "register": register, "read_at": format_time(at), **more}


def frame(**more: Any) -> dict[str, Any]:
    found = {"address": "17", "template": "ddsy1352", "read_at": format_time(NOON_MS), "hex": FRAME.hex(), **more}
    return {name: value for name, value in found.items() if value is not None}


def body(**fields: Any) -> bytes:
    return json.dumps({"v": 1, "upload": "U1", **fields}).encode()


def read(value: bytes) -> Upload:
    return read_upload(value, site="S1", gateway="G1", now_ms=NOON_MS)


def columns(taken: Round) -> list[tuple[int, int, int, Supply]]:
    """Address, time, register in Wh and supply of each reading, as the ledger decodes them."""
    (energy,) = [block for block in taken.blocks if block.item == "energy"]
    template = TEMPLATES[energy.template]
    registers, readable = decode_registers(energy, template)
    assert readable.all()
    told: dict[int, int] = {}
    for block in taken.blocks:
        if block.item == "relay":
            codes, good = decode_supply(block, template)
            assert good.all()
            told = dict(zip(block.addresses.tolist(), codes.tolist(), strict=True))
    return [
        (address, at, register, Supply(told.get(address, 0)))
        for address, at, register in zip(
            energy.addresses.tolist(), energy.read_at.tolist(), registers.tolist(), strict=True
        )
    ]


def test_readings_become_rounds_with_one_reading_of_a_meter_in_each_by_time() -> None:
    earlier = NOON_MS - HOUR_MS
    upload = read(
        body(
            readings=[
                reading("17", "1000.125", NOON_MS, supply="off"),
                reading("18", "0", NOON_MS),
                reading("17", "999.5", earlier, supply="on"),
            ]
        )
    )
    assert (upload.identity, upload.readings, upload.frames) == ("U1", 3, 0)
    assert [(taken.site, taken.gateway, taken.collected_at) for taken in upload.rounds] == [("S1", "G1", NOON_MS)] * 2
    assert columns(upload.rounds[0]) == [(17, earlier, 999_500, Supply.ON), (18, NOON_MS, 0, Supply.UNKNOWN)]
    assert columns(upload.rounds[1]) == [(17, NOON_MS, 1_000_125, Supply.OFF)]
    assert all(encode_round(decode_round(encode_round(taken))) == encode_round(taken) for taken in upload.rounds)


def test_what_a_reading_tells_beside_its_register_reaches_the_ledger() -> None:
    told: dict[str, Any] = {"bands": ["1.5", "0", "2.125"], "remaining": "-12.50", "count": 3}
    told["conditions"] = ["battery", "overload"]
    (taken,) = read(body(readings=[reading(**told), reading("18", remaining="99999999.99", conditions=[])])).rounds
    batch = read_rounds(KnownMeters({("G1", 17): 0, ("G1", 18): 1}), [(0, decode_round(encode_round(taken)))]).batch
    columns_ = (batch.remaining, batch.count, batch.bands, batch.conditions)
    remaining, count, bands, conditions = [[] if column is None else column.tolist() for column in columns_]
    assert (remaining, count) == ([-12_500_000_000, 99_999_999_990_000_000], [3, UNTOLD])
    assert bands == [[1500, 0, 2125] + [UNTOLD] * 5, [UNTOLD] * 8]
    assert conditions == [bit_of(Condition.BATTERY) | bit_of(Condition.OVERLOAD), 0]


def test_every_condition_has_a_bit_in_uploads() -> None:
    status = TEMPLATES["reading"].status
    assert status is not None
    assert {condition for condition, _ in status.bits} == set(Condition)
    assert len({bit for _, bits in status.bits for bit in bits}) == len(Condition)


@pytest.mark.parametrize(
    "entry",
    [frame(), frame(hex=None, base64=base64.b64encode(FRAME).decode()), frame(item="energy")],
    ids=["hex", "base64", "item"],
)
def test_frames_stay_as_they_came(entry: dict[str, Any]) -> None:
    (taken,) = read(body(frames=[entry])).rounds
    (block,) = taken.blocks
    assert (block.template, block.item, block.addresses.tolist(), block.data) == ("ddsy1352", "energy", [17], FRAME)


@pytest.mark.parametrize(
    ("value", "field", "said"),
    [
        (b"{", "", "is not JSON"),
        (b"[]", "", "is not a JSON object"),
        (b'{"v": 1, "v": 1}', "v", "stands twice"),
        (b"x" * (BODY_BYTES_MAX + 1), "", "is longer than 1048576 bytes"),
        (body(v=2, readings=[reading()]), "v", "version 2 is not known"),
        (body(), "readings", "there are none"),
        (body(more=1), "", "more"),
        (body(upload="", readings=[reading()]), "upload", "1 to 200 characters"),
        (body(upload=7, readings=[reading()]), "upload", "Expected `str`"),
        (body(upload="U\ud800", readings=[reading()]), "upload", "half of a surrogate pair"),
        (body(**{"\ud800": 1}), "", "half of a surrogate pair"),
        (b'{"\\ud800": 1, "\\ud800": 2}', "\\ud800", "stands twice"),
        (b'{"\xed\xa0\x80": 1, "\xed\xa0\x80": 2}', "\\ud800", "stands twice"),
        (body(frames=[frame(template="\ud800")]), "frames[0].template", "'\\ud800' is not known"),
        (body(readings=[reading(), reading("18", register=7)]), "readings[1].register", "Expected `str`"),  # type: ignore[arg-type]
        (body(readings=[reading(register="1,5")]), "readings[0].register", "must be a decimal"),
        (body(readings=[reading(register="-1")]), "readings[0].register", "must be a decimal"),
        (body(readings=[reading(register="0.1234")]), "readings[0].register", "at most 3 decimals"),
        (body(readings=[reading(register="1000000000")]), "readings[0].register", "below 10^9"),
        (body(readings=[reading("x")]), "readings[0].address", "must be a number"),
        (body(readings=[reading("999999999999")]), "readings[0].address", "up to 999999999998"),
        (body(readings=[reading(supply="open")]), "readings[0].supply", "on or off"),
        (body(readings=[reading(bands=[])]), "readings[0].bands", "1 to 8 registers"),
        (body(readings=[reading(bands=["1"] * 9)]), "readings[0].bands", "1 to 8 registers"),
        (body(readings=[reading(bands=["1", "-1"])]), "readings[0].bands[1]", "must be a decimal"),
        (body(readings=[reading(remaining="1.005")]), "readings[0].remaining", "at most 2 decimals"),
        (body(readings=[reading(remaining="-100000000")]), "readings[0].remaining", "below 10^8"),
        (body(readings=[reading(count=-1)]), "readings[0].count", "from 0, below 10^9"),
        (body(readings=[reading(count=True)]), "readings[0].count", "Expected `int"),
        (body(readings=[reading(count=10**9)]), "readings[0].count", "from 0, below 10^9"),
        (body(readings=[reading(conditions=["fire"])]), "readings[0].conditions", "'fire', which is none of"),
        (body(readings=[reading(read_at="noon")]), "readings[0].read_at", "must be a time"),
        (body(readings=[reading(at=NOON_MS + HOUR_MS)]), "readings[0].read_at", "15 minutes ahead"),
        (body(readings=[reading(), reading()]), "readings[1]", "a second energy of address 17"),
        (body(frames=[frame(template="other")]), "frames[0].template", "'other' is not known"),
        (body(frames=[frame(item="alarm")]), "frames[0].item", "energy, relay"),
        (body(frames=[frame(hex="0g")]), "frames[0].hex", "is no hex"),
        (body(frames=[frame(hex=None, base64="?")]), "frames[0].base64", "is no base64"),
        (body(frames=[frame(base64="AA==")]), "frames[0].hex", "either"),
        (body(frames=[frame(hex="")]), "frames[0]", "has 0 bytes"),
        (body(readings=[reading(str(number)) for number in range(10_001)]), "readings", "more than 10000"),
        (
            body(readings=[reading(at=NOON_MS - number) for number in range(2_001)]),
            "readings",
            "more than 2000 of one meter",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(value: bytes, field: str, said: str) -> None:
    with pytest.raises(UploadError) as caught:
        read(value)
    assert caught.value.field == field
    assert said in caught.value.reason
    assert f"{caught.value}".encode(), "it can be answered and logged"


@given(
    st.dictionaries(
        st.tuples(st.integers(0, 5), st.integers(0, 10**6)),
        st.tuples(st.integers(0, 10**12 - 1), st.sampled_from(["on", "off", None])),
        min_size=1,
        max_size=30,
    )
)
def test_every_reading_arrives_with_its_time_and_supply(found: dict[tuple[int, int], tuple[int, str | None]]) -> None:
    readings = [
        reading(str(address), format_scaled(register, 3), NOON_MS - age) | ({"supply": supply} if supply else {})
        for (address, age), (register, supply) in found.items()
    ]
    taken = [column for each in read(body(readings=readings)).rounds for column in columns(each)]
    codes = {"on": Supply.ON, "off": Supply.OFF, None: Supply.UNKNOWN}
    assert sorted(taken) == sorted(
        (address, NOON_MS - age, register, codes[supply]) for (address, age), (register, supply) in found.items()
    )
    by_meter: dict[int, list[int]] = {}
    for address, at, *_ in taken:
        by_meter.setdefault(address, []).append(at)
    assert all(times == sorted(times) for times in by_meter.values())


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_bytes_of_any_kind_raise_nothing_else(value: bytes) -> None:
    with pytest.raises(UploadError):
        read(value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "uploads.json"),
        ('{"gateways": {"G/1": "S1"}}', "'G/1'"),
        ('{"gateways": {"G1": "S/1"}}', "gateways.G1"),
        ('{"gateways": {}, "http": {"port": "x"}}', r"http\.port"),
        ('{"gateways": {}, "ftp": {}}', "ftp"),
    ],
    ids=["json", "gateway", "site", "type", "unknown"],
)
def test_a_plan_with_a_fault_names_its_place(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "uploads.json").write_text(text)
    with pytest.raises(UploadPlanError, match=said):
        read_upload_plan(tmp_path)


def test_without_a_plan_nothing_is_uploaded(tmp_path: Path) -> None:
    assert read_upload_plan(tmp_path) is None
