"""One answer at a time: what a frame says of its meter, by the meter's template.

The plain form of `collectors.wire.arrays`; tests hold the two against each other.
"""

from collectors.wire import dlt645, modbus
from collectors.wire.errors import FrameError
from collectors.wire.templates import Template
from streams.core.outcome import Supply


def read_register(frame: bytes, template: Template, address: int) -> int:
    """The running total that a frame of the item `energy` tells, in Wh or litres.

    Raises:
        FrameError: The frame is damaged, of another meter, an exception, or answers something else.
    """
    item = template.energy
    if template.protocol == "modbus-tcp":
        words = _modbus_words(frame, address, item.words)
        raw = 0
        for word in words if item.high_word_first else words[::-1]:
            raw = raw << 16 | word
        return raw * item.scale
    value = _dlt645_value(frame, address, item.start, item.words)
    return dlt645.from_bcd(value) * item.scale


def read_supply(frame: bytes, template: Template, address: int) -> Supply:
    """What a frame of the item `relay` tells of the meter's supply; UNKNOWN where it cannot be told.

    Raises:
        FrameError: As for `read_register`.
    """
    item = template.relay
    if template.protocol == "modbus-tcp":
        words = _modbus_words(frame, address, item.words)
        if words[0] == item.automatic:
            return Supply.ON
        return {item.off: Supply.OFF, item.on: Supply.ON}.get(words, Supply.UNKNOWN)
    value = _dlt645_value(frame, address, item.start, item.words)
    is_open = int.from_bytes(value, "little") >> item.off_bit & 1
    return Supply.OFF if is_open else Supply.ON


def _modbus_words(frame: bytes, address: int, count: int) -> tuple[int, ...]:
    taken = modbus.decode_frame(frame)
    words = modbus.read_words(taken)
    if taken.unit != address:
        raise FrameError(6, f"is of unit {taken.unit}, not {address}")
    if len(words) != count:
        raise FrameError(8, f"has {len(words)} words, not {count}")
    return words


def _dlt645_value(frame: bytes, address: int, di: int, size: int) -> bytes:
    taken = dlt645.decode_frame(frame)
    if taken.address != f"{address:012d}":
        raise FrameError(1, f"is of meter {taken.address}, not {address:012d}")
    value = dlt645.read_value(taken, di)
    if len(value) != size:
        raise FrameError(9, f"has {len(value)} bytes of value, not {size}")
    return value
