"""One answer at a time: what a frame says of its meter, by the meter's template.

The plain form of `collectors.wire.arrays`; tests hold the two against each other.
"""

from collectors.wire import cjt188, dlt645, mbus, modbus, modbus_rtu
from collectors.wire.binary_fraction import counts_of
from collectors.wire.cjt188 import Cjt188Frame
from collectors.wire.errors import FrameError
from collectors.wire.template import AnyItem, RegisterItem, Template
from streams.core.conditions import bit_of
from streams.core.outcome import Supply
from streams.core.told import INT64_MAX, UNTOLD

_ABSENT = b"\xff"
"""In all bytes of a value of DL/T645 or CJ/T188: the meter does not have it."""


def read_register(frame: bytes, template: Template, address: int, name: str = "energy") -> int:
    """The number that a frame of an item tells: the running total in Wh or litres, nano-yuan or recharges of credit.

    Raises:
        FrameError: The frame is damaged, of another meter, an exception, or answers something else; or the meter has
            no such item.
    """
    item = template.register(name)
    if item is None:
        raise _lacks(template, name)
    if template.protocol == "modbus":
        words = _modbus_words(frame, address, item.words, item.function)
        raw = _raw(words, high_word_first=item.high_word_first)
        return _within(counts_of(raw, item.counts) * item.scale if item.counts else raw * item.scale)
    if template.protocol == "mbus":
        return mbus.read_litres(frame, address, item.start)
    if template.protocol == "cjt188":
        return _value(_cjt188_body(frame, address, item), item)
    value = dlt645.value_of(frame, address, item.start, item.words)
    return dlt645.from_bcd(value) * item.scale


def read_bands(frame: bytes, template: Template, address: int) -> tuple[int, ...]:
    """The registers by tariff that a frame of the item `bands` tells, Wh or litres, from tariff 1 on.

    Returns:
        `UNTOLD` where all bytes of a register are FF: it is not available.
    Raises:
        FrameError: As for `read_register`; a register that is of no tariff is not looked at.
    """
    item = template.bands
    if item is None:
        raise _lacks(template, "bands")
    of_tariffs = range(item.skip * item.size, item.words, item.size)
    if template.protocol == "modbus":
        words = _modbus_words(frame, address, item.words, item.function)
        parts = (words[start : start + item.size] for start in of_tariffs)
        return tuple(_within(_raw(part, high_word_first=item.high_word_first) * item.scale) for part in parts)
    if template.protocol == "cjt188":
        value = _cjt188_body(frame, address, item)[item.at : item.at + item.words]
    else:
        value = dlt645.value_of(frame, address, item.start, item.words)
    parts_of_bcd = (value[start : start + item.size] for start in of_tariffs)
    return tuple(UNTOLD if part == _ABSENT * item.size else dlt645.from_bcd(part) * item.scale for part in parts_of_bcd)


def read_supply(frame: bytes, template: Template, address: int) -> Supply:
    """What a frame of the item `relay` tells of the meter's supply; UNKNOWN where it cannot be told.

    Raises:
        FrameError: As for `read_register`, or the meter has no relay.
    """
    item = template.relay
    if item is None:
        raise _lacks(template, "relay")
    if template.protocol == "modbus":
        words = _modbus_words(frame, address, item.words, item.function)
        if words[0] == item.automatic:
            return Supply.ON
        return {item.off: Supply.OFF, item.on: Supply.ON}.get(words, Supply.UNKNOWN)
    if template.protocol == "cjt188":
        body = _cjt188_body(frame, address, item)
        status = int.from_bytes(body[item.at : item.at + item.words], "little") & item.mask
        return Supply.OFF if status in item.off else Supply.ON if status in item.on else Supply.UNKNOWN
    value = dlt645.value_of(frame, address, item.start, item.words)
    is_open = int.from_bytes(value, "little") >> item.off_bit & 1
    return Supply.OFF if is_open else Supply.ON


def read_conditions(frame: bytes, template: Template, address: int) -> int:
    """The conditions that a frame of the item `status` shows, as bits (`streams.core.conditions.bit_of`).

    Raises:
        FrameError: As for `read_register`.
    """
    item = template.status
    if item is None:
        raise _lacks(template, "status")
    if template.protocol == "modbus":
        words = _modbus_words(frame, address, item.words, item.function)
        status = sum(word << 16 * place for place, word in enumerate(words))
    elif template.protocol == "cjt188":
        body = _cjt188_body(frame, address, item)
        status = int.from_bytes(body[item.at : item.at + item.words], "little")
    else:
        status = int.from_bytes(dlt645.value_of(frame, address, item.start, item.words), "little")
    return sum(bit_of(condition) for condition, bits in item.bits if any(status >> bit & 1 for bit in bits))


def _lacks(template: Template, name: str) -> FrameError:
    return FrameError(0, f"a meter of template {template.name} has no {name}")


def _within(value: int) -> int:
    """A value of Modbus words as long as 64 bits hold it: a register of four words may tell more."""
    if value > INT64_MAX:
        raise FrameError(0, f"tells {value}, beyond 64 bits")
    return value


def _raw(words: tuple[int, ...], *, high_word_first: bool) -> int:
    raw = 0
    for word in words if high_word_first else words[::-1]:
        raw = raw << 16 | word
    return raw


def _modbus_words(frame: bytes, address: int, count: int, function: int) -> tuple[int, ...]:
    """The words of an answer, in the envelope of Modbus TCP or of RTU: its length tells which."""
    if len(frame) == modbus_rtu.answer_size(count):
        rtu = modbus_rtu.decode_frame(frame)
        unit, place, words = rtu.unit, 0, modbus_rtu.read_words(rtu, function)
    else:
        taken = modbus.decode_frame(frame)
        unit, place, words = taken.unit, 6, modbus.read_words(taken, function)
    if unit != address:
        raise FrameError(place, f"is of unit {unit}, not {address}")
    if len(words) != count:
        raise FrameError(place + 2, f"has {len(words)} words, not {count}")
    return words


def _cjt188_body(frame: bytes, address: int, item: AnyItem) -> bytes:
    """What follows identifier and SER in the answer; its type may differ from the one that was asked."""
    taken: Cjt188Frame = cjt188.decode_frame(frame)
    if taken.address != f"{address:014d}":
        raise FrameError(2, f"is of meter {taken.address}, not {address:014d}")
    body = cjt188.read_body(taken, item.start)
    if len(taken.data) != item.length:
        raise FrameError(10, f"has {len(taken.data)} data bytes, not {item.length}")
    return body


def _value(body: bytes, item: RegisterItem) -> int:
    """A value and its unit, if it has one; an unknown unit is an error, as a guess could be wrong a thousandfold."""
    end = item.at + item.words
    scale = dict(item.units).get(body[end]) if item.units else item.scale
    if scale is None:
        raise FrameError(cjt188.VALUE_AT + end, f"unit {body[end]:02X} is not one of the template's")
    digits = body[item.at : end][::-1].hex()
    if not digits.isdecimal():
        raise FrameError(cjt188.VALUE_AT + item.at, f"{digits.upper()} is no BCD")
    return int(digits) * scale
