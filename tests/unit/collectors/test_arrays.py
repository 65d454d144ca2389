"""Reading a whole block by columns gives what reading each frame alone gives, on good, damaged and mixed frames."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from collectors.wire import cjt188, dlt645, modbus, modbus_rtu
from collectors.wire.answers import read_bands, read_conditions, read_register, read_supply
from collectors.wire.arrays import decode_bands, decode_conditions, decode_registers, decode_supply
from collectors.wire.errors import FrameError
from collectors.wire.round import Block
from collectors.wire.template import EVENT_ITEMS, ITEMS, REGISTERS, RegisterItem
from collectors.wire.templates import TEMPLATES, Template, TemplateError, read_template
from streams.core.conditions import Condition, bit_of
from streams.core.told import UNTOLD

CREDIT = """
[remaining]
start = 0x10
words = 2
scale = 10_000_000
[overdraft]
start = 0x12
words = 2
scale = 10_000_000
[count]
start = 0x14
words = 1
[magnetic_field]
start = 0x20
words = 1
[status]
start = 0x30
words = 3
bits = {overload = [0, 17], voltage_lost = [15], battery = [8, 23]}
"""
OWN = {
    "all of modbus": 'protocol = "modbus"\nmeter = "m"\n[energy]\nstart = 0\nwords = 2\nscale = 10\nfunction = 4\n'
    "[bands]\nstart = 2\nwords = 6\nregisters = 3\nskip = 1\nscale = 10\nhigh_word_first = false\n" + CREDIT,
    "four words": 'protocol = "modbus"\nmeter = "m"\n[energy]\nstart = 0\nwords = 4\nscale = 10\n'
    "[bands]\nstart = 8\nwords = 8\nregisters = 2\nscale = 10\n",
    "all of dlt645": 'protocol = "dlt645-2007"\nmeter = "m"\n[energy]\nstart = 0x10000\nwords = 4\nscale = 10\n'
    "[bands]\nstart = 0x1FF00\nwords = 12\nregisters = 3\nskip = 1\nscale = 10\n" + CREDIT,
    "all of cjt188": 'protocol = "cjt188"\nmeter = "m"\nmeter_type = 0x10\n'
    "[energy]\nstart = 0x901F\nlength = 22\nat = 0\n"
    "words = 4\nunits = {2C = 10}\n"
    "[bands]\nstart = 0x901F\nlength = 22\nat = 5\nwords = 6\nregisters = 3\nscale = 10\n"
    + CREDIT.replace("start = 0x10\n", "start = 0x8105\nlength = 18\nat = 1\n")
    .replace("start = 0x12\n", "start = 0x8105\nlength = 18\nat = 4\n")
    .replace("start = 0x14\n", "start = 0x8105\nlength = 18\nat = 0\n")
    .replace("start = 0x20\n", "start = 0x8109\nlength = 9\nat = 2\n")
    .replace("start = 0x30\n", "start = 0x901F\nlength = 22\nat = 15\n"),
}
READ: dict[str, Callable[[bytes, Template, int], object]] = {
    "energy": read_register,
    "relay": read_supply,
    "bands": read_bands,
    "status": read_conditions,
    **{event: partial(read_register, name=event) for event in EVENT_ITEMS},
    "remaining": partial(read_register, name="remaining"),
    "overdraft": partial(read_register, name="overdraft"),
    "count": partial(read_register, name="count"),
}
TOGETHER: dict[str, Callable[[Block, Template], tuple[NDArray[Any], NDArray[np.bool_]]]] = {
    **dict.fromkeys(REGISTERS, decode_registers),
    "relay": decode_supply,
    "bands": decode_bands,
    "status": decode_conditions,
}


def alone(block: Block, template: Template) -> list[object]:
    """What each frame says by itself; None where it is not good."""
    out: list[object] = []
    for frame, address in zip(block.frames(), block.addresses.tolist(), strict=True):
        try:
            out.append(READ[block.item](frame, template, address))
        except FrameError:
            out.append(None)
    return out


def together(block: Block, template: Template) -> list[object]:
    """The same, of the block as a whole. What is not good is 0 in all places."""
    values, good = TOGETHER[block.item](block, template)
    assert not values[~good].any()
    told = [tuple(value) if isinstance(value, list) else value for value in values.tolist()]
    return [value if is_good else None for value, is_good in zip(told, good.tolist(), strict=True)]


@st.composite
def frames(draw: st.DrawFn, template: Template, item: str) -> tuple[int, bytes]:
    """An address and a frame that mostly is a good answer of it, sometimes with a byte changed or of another length."""
    asked = template.item(item) or template.energy
    if template.protocol == "modbus":
        address = draw(st.integers(1, 247))
        small = st.integers(0, 2 if item == "relay" else 0xFFFF)
        words = tuple(draw(st.lists(small, min_size=asked.words, max_size=asked.words)))
        if draw(st.booleans()):
            number = draw(st.integers(0, 0xFFFF))
            frame = modbus.encode_read_answer(number, address, words, function=asked.function)
        else:
            frame = modbus_rtu.encode_read_answer(address, words, function=asked.function)
    elif template.protocol == "cjt188":
        address = draw(st.integers(0, 99_999_999_999_999))
        body = bytearray(draw(st.binary(min_size=asked.length - 3, max_size=asked.length - 3)))
        if draw(st.integers(0, 9)):
            pairs = st.lists(st.integers(0, 99), min_size=asked.words, max_size=asked.words)
            body[asked.at : asked.at + asked.words] = bytes(map(dlt645.to_bcd, draw(pairs)))
            if isinstance(asked, RegisterItem) and asked.units:
                body[asked.at + asked.words] = draw(st.sampled_from([0x2C, 0x2C, 0x2C, 0x29]))
        identifier = asked.start.to_bytes(2, draw(st.sampled_from(["big", "little"])))
        data = identifier + draw(st.binary(min_size=1, max_size=1)) + bytes(body)
        frame = cjt188.encode_frame(draw(st.integers(0, 255)), f"{address:014d}", 0x81, data)
    else:
        address = draw(st.integers(0, 999_999_999_999))
        digits = st.integers(0, 0x99) if draw(st.integers(0, 9)) == 0 else st.integers(0, 99).map(dlt645.to_bcd)
        value = bytes(draw(st.lists(digits, min_size=asked.words, max_size=asked.words)))
        if draw(st.integers(0, 5)) == 0:
            value = b"\xff" * draw(st.integers(0, len(value))) + value
            value = value[: asked.words]
        frame = dlt645.encode_read_answer(f"{address:012d}", asked.start, value)
    damage = draw(st.sampled_from(["none", "none", "byte", "address", "short", "other"]))
    if damage == "byte":
        broken = bytearray(frame)
        broken[draw(st.integers(0, len(frame) - 1))] = draw(st.integers(0, 255))
        frame = bytes(broken)
    elif damage == "address":
        address += 1
    elif damage == "short":
        frame = frame[:-1]
    elif damage == "other":
        frame = draw(st.binary(max_size=24))
    return address, frame


LAYOUTS = {(each.protocol, each.energy, each.relay): each for each in TEMPLATES.values()}
"""Templates that come with Sluice, one of those whose register and relay are told alike."""
CHECKED = [*LAYOUTS.values(), *(read_template(name, text) for name, text in OWN.items())]


@pytest.mark.parametrize("template", CHECKED, ids=lambda template: template.name)
@pytest.mark.parametrize("alike", [True, False], ids=["equal lengths", "mixed lengths"])
def test_columns_equal_frames_read_alone(template: Template, alike: bool) -> None:
    items = ITEMS if template.name in OWN else ("energy", "relay")

    @given(st.data())
    def check(data: st.DataObject) -> None:
        item = data.draw(st.sampled_from(items))
        drawn = data.draw(st.lists(frames(template, item), min_size=1, max_size=8))
        if alike:
            drawn = [pair for pair in drawn if len(pair[1]) == len(drawn[0][1])]
        addresses, bytes_ = [pair[0] for pair in drawn], [pair[1] for pair in drawn]
        block = Block.of_frames(template.name, item, addresses, [0] * len(drawn), bytes_)
        assert together(block, template) == alone(block, template)

    check()


def test_what_meters_tell_beside_the_register() -> None:
    """Frames of the standard's examples, and of a meter whose words are known."""
    dlt, acrel = TEMPLATES["dtsy1352-dlt645"], TEMPLATES["dtsy1352-credit"]
    bands = bytes.fromhex("68120000001020689118333234335C34333395333333933333333633333335333333 7416".replace(" ", ""))
    assert read_bands(bands, dlt, 201000000012) == (620, 600, 30, 20)
    some = dlt645.encode_read_answer("000000000161", 0x0001_FF00, bytes(4) + bytes.fromhex("00010000") + b"\xff" * 12)
    assert read_bands(some, dlt, 161) == (1000, UNTOLD, UNTOLD, UNTOLD)
    remaining = bytes.fromhex("68120000001020689108 3335C33389CB3433C416".replace(" ", ""))
    assert read_register(remaining, dlt, 201000000012, "remaining") == 198_560_000_000
    count = dlt645.encode_read_answer("201000000012", 0x0333_0201, bytes.fromhex("1200"))
    assert read_register(count, dlt, 201000000012, "count") == 12
    words = modbus.encode_read_answer(1, 17, (0, 100, 0, 200, 0, 300, 1, 0))
    assert read_bands(words, acrel, 17) == (1000, 2000, 3000, 655_360)
    assert read_register(modbus.encode_read_answer(1, 17, (0, 1250)), acrel, 17, "remaining") == 12_500_000_000
    assert read_register(modbus.encode_read_answer(1, 17, (3,)), acrel, 17, "count") == 3
    with pytest.raises(FrameError, match="has no overdraft"):
        read_register(words, acrel, 17, "overdraft")


def test_status_words_are_read_bit_by_bit() -> None:
    """Words 1 and 4 to 6 of a DL/T645 block, the state bytes of a water meter, and words of Modbus."""
    dlt, water = TEMPLATES["dtsy1352-dlt645"], TEMPLATES["cjt188-water"]
    words = (0b1100, 0, 0x0050, 0, 0b100000, 0b1000000, 0)
    block = dlt645.encode_read_answer(
        "000000000161", 0x0400_05FF, b"".join(word.to_bytes(2, "little") for word in words)
    )
    named = (Condition.CLOCK_BATTERY, Condition.BATTERY, Condition.OVERLOAD, Condition.POWER_REVERSED)
    assert read_conditions(block, dlt, 161) == sum(map(bit_of, named))
    phase_a = dlt645.encode_read_answer("000000000161", 0x0400_05FF, bytes(6) + b"\x01" + bytes(7))
    assert read_conditions(phase_a, dlt, 161) == bit_of(Condition.VOLTAGE_LOST)
    for status, shown in ((0x21, 0), (0x25, bit_of(Condition.BATTERY))):
        body = bytes(4) + b"\x2c" + bytes(4) + b"\x2c" + bytes(7) + bytes([status, 0x84])
        frame = cjt188.encode_frame(0x10, "00000000000161", 0x81, b"\x90\x1f\x00" + body)
        assert read_conditions(frame, water, 161) == shown
    modbus_own = read_template("all of modbus", OWN["all of modbus"])
    answer = modbus.encode_read_answer(1, 17, (0x8000, 0x0002, 0))
    assert read_conditions(answer, modbus_own, 17) == bit_of(Condition.VOLTAGE_LOST) | bit_of(Condition.OVERLOAD)
    opened = bytes.fromhex("6812000000102068910733406336 5A333376 16".replace(" ", ""))
    assert read_register(opened, dlt, 201000000012, "cover_opened") == 27


def test_what_the_words_and_bits_mean() -> None:
    acrel, generic = TEMPLATES["ddsy1352"], TEMPLATES["dlt645-2007"]
    energy = modbus.encode_read_answer(1, 17, (0x0001, 0x86A0))
    assert read_register(energy, acrel, 17) == 1_000_000
    for words, supply in (((1, 1), 2), ((1, 0), 1), ((0, 0), 1), ((0, 1), 1), ((1, 2), 0)):
        assert read_supply(modbus.encode_read_answer(1, 17, words), acrel, 17) == supply
    answer = bytes.fromhex("681290785634126891083333343389674533 5416".replace(" ", ""))
    assert read_register(answer, generic, 123456789012) == 1_234_560
    opened = bytes.fromhex("68611001301215689106363833378333BE16")
    assert read_supply(opened, generic, 151230011061) == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("protocol", "dallas"), "protocol 'dallas' is not known"),
        (("words", "wrods"), "wrods"),
        (('meter = "x"', ""), "meter is missing"),
        (("[relay]", "[relay"), "template t"),
    ],
    ids=["protocol", "unknown field", "missing field", "no TOML"],
)
def test_a_template_with_a_fault_says_which(change: tuple[str, str], said: str) -> None:
    good = 'protocol = "modbus"\nmeter = "x"\n[energy]\nstart=0\nwords=2\nscale=10\n[relay]\nstart=1\nwords=2\n'
    good += "off=[1, 1]\non=[1, 0]\n"
    assert read_template("t", good).energy.words == 2
    wrong = good.replace("modbus", "dallas") if change[0] == "protocol" else good.replace(change[0], change[1], 1)
    with pytest.raises(TemplateError, match=said):
        read_template("t", wrong)
