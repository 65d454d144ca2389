"""Reading a whole block by columns gives what reading each frame alone gives, on good, damaged and mixed frames."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.wire import cjt188, dlt645, modbus, modbus_rtu
from collectors.wire.answers import read_register, read_supply
from collectors.wire.arrays import decode_registers, decode_supply
from collectors.wire.errors import FrameError
from collectors.wire.round import Block
from collectors.wire.templates import TEMPLATES, Template, TemplateError, read_template


def alone(block: Block, template: Template, read: Callable[[bytes, Template, int], int]) -> list[tuple[int, bool]]:
    out = []
    for frame, address in zip(block.frames(), block.addresses.tolist(), strict=True):
        try:
            out.append((int(read(frame, template, address)), True))
        except FrameError:
            out.append((0, False))
    return out


@st.composite
def frames(draw: st.DrawFn, template: Template, item: str) -> tuple[int, bytes]:
    """An address and a frame that mostly is a good answer of it, sometimes with a byte changed or of another length."""
    asked = template.energy if item == "energy" or template.relay is None else template.relay
    if template.protocol == "modbus":
        address = draw(st.integers(1, 247))
        small = st.integers(0, 2 if item == "relay" else 0xFFFF)
        words = tuple(draw(st.lists(small, min_size=asked.words, max_size=asked.words)))
        function = template.energy.function if item == "energy" else modbus.READ_HOLDING
        if draw(st.booleans()):
            frame = modbus.encode_read_answer(draw(st.integers(0, 0xFFFF)), address, words, function=function)
        else:
            frame = modbus_rtu.encode_read_answer(address, words, function=function)
    elif template.protocol == "cjt188":
        address = draw(st.integers(0, 99_999_999_999_999))
        body = bytearray(draw(st.binary(min_size=asked.length - 3, max_size=asked.length - 3)))
        place = template.energy.at
        if draw(st.integers(0, 9)):
            body[place : place + 4] = bytes(
                map(dlt645.to_bcd, draw(st.lists(st.integers(0, 99), min_size=4, max_size=4)))
            )
            body[place + 4] = draw(st.sampled_from([0x2C, 0x2C, 0x2C, 0x29]))
        identifier = asked.start.to_bytes(2, draw(st.sampled_from(["big", "little"])))
        data = identifier + draw(st.binary(min_size=1, max_size=1)) + bytes(body)
        frame = cjt188.encode_frame(draw(st.integers(0, 255)), f"{address:014d}", 0x81, data)
    else:
        address = draw(st.integers(0, 999_999_999_999))
        digits = st.integers(0, 0x99) if draw(st.integers(0, 9)) == 0 else st.integers(0, 99).map(dlt645.to_bcd)
        value = bytes(draw(st.lists(digits, min_size=asked.words, max_size=asked.words)))
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


@pytest.mark.parametrize("name", sorted(TEMPLATES))
@pytest.mark.parametrize("alike", [True, False], ids=["equal lengths", "mixed lengths"])
def test_columns_equal_frames_read_alone(name: str, alike: bool) -> None:
    template = TEMPLATES[name]

    @given(st.data())
    def check(data: st.DataObject) -> None:
        for item, together, one in (
            ("energy", decode_registers, read_register),
            ("relay", decode_supply, read_supply),
        ):
            drawn = data.draw(st.lists(frames(template, item), min_size=1, max_size=8))
            if alike:
                drawn = [pair for pair in drawn if len(pair[1]) == len(drawn[0][1])]
            addresses, bytes_ = [pair[0] for pair in drawn], [pair[1] for pair in drawn]
            block = Block.of_frames(name, item, addresses, [0] * len(drawn), bytes_)
            values, good = together(block, template)
            assert list(zip(values.tolist(), good.tolist(), strict=True)) == alone(block, template, one)

    check()


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
