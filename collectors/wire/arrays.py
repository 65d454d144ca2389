"""Whole rounds at once: equal frames side by side as a matrix of bytes, checked and read by columns.

What each frame says is exactly what `collectors.wire.answers` reads from it alone; frames whose lengths vary, or whose
length is not that of a good answer, are read one by one there.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from collectors.wire import arrays_cjt188, arrays_dlt645, arrays_modbus
from collectors.wire.answers import read_bands, read_conditions, read_register, read_supply
from collectors.wire.errors import FrameError
from collectors.wire.matrix import Bytes, Good, Values, conditions_of
from collectors.wire.round import Block
from collectors.wire.template import Template

T = TypeVar("T", bound=np.generic)

_READERS = {"modbus": arrays_modbus, "dlt645-2007": arrays_dlt645, "cjt188": arrays_cjt188}
"""By protocol. An answer of M-Bus has its value wherever its records end up: each is read by itself, in 50 µs."""


def decode_registers(block: Block, template: Template) -> tuple[Values, Good]:
    """What a block tells of an item that is one number, such as the running totals of the item `energy`.

    Returns:
        Wh or litres, nano-yuan or recharges for each frame, and whether the frame is good; 0 where it is not.
    """
    reader, item = _READERS.get(template.protocol), template.register(block.item)
    if reader is None or item is None or block.frame_length not in reader.answer_sizes(item):
        return _one_by_one(block, lambda frame, address: read_register(frame, template, address, block.item), np.int64)
    total, good = reader.registers(_matrix(block), block.addresses, item)
    return np.where(good, total, 0), good


def decode_bands(block: Block, template: Template) -> tuple[Values, Good]:
    """What a block of the item `bands` tells of registers by tariff.

    Returns:
        Wh or litres, a row a frame, a column a tariff, `UNTOLD` where the meter has none; and whether the frame is
        good; 0 where it is not.
    """
    reader, item = _READERS.get(template.protocol), template.bands
    if item is None:
        return np.zeros((len(block), 0), np.int64), np.zeros(len(block), np.bool_)
    if reader is None or block.frame_length not in reader.answer_sizes(item):
        return _one_by_one(block, lambda frame, address: read_bands(frame, template, address), np.int64, item.tariffs)
    totals, good = reader.bands(_matrix(block), block.addresses, item)
    return np.where(good[:, None], totals, 0), good


def decode_supply(block: Block, template: Template) -> tuple[Bytes, Good]:
    """What a block of the item `relay` tells of supply.

    Returns:
        A `Supply` code for each frame, and whether the frame is good; UNKNOWN where it is not.
    """
    reader = _READERS.get(template.protocol)
    if reader is None or template.relay is None or block.frame_length not in reader.answer_sizes(template.relay):
        return _one_by_one(block, lambda frame, address: read_supply(frame, template, address), np.uint8)
    supply, good = reader.supply(_matrix(block), block.addresses, template.relay)
    return np.where(good, supply, np.uint8(0)), good


def decode_conditions(block: Block, template: Template) -> tuple[Values, Good]:
    """What a block of the item `status` tells of the meters' conditions.

    Returns:
        Bits for each frame, and whether the frame is good; 0 where it is not.
    """
    reader, item = _READERS.get(template.protocol), template.status
    if reader is None or item is None or block.frame_length not in reader.answer_sizes(item):
        return _one_by_one(block, lambda frame, address: read_conditions(frame, template, address), np.int64)
    status, good = reader.status(_matrix(block), block.addresses, item)
    return np.where(good, conditions_of(status, item), 0), good


def _matrix(block: Block) -> Bytes:
    return np.frombuffer(block.data, np.uint8).reshape(len(block), block.frame_length)


def _one_by_one(
    block: Block, read: Callable[[bytes, int], int | Sequence[int]], dtype: type[T], *columns: int
) -> tuple[NDArray[T], Good]:
    values, good = np.zeros((len(block), *columns), dtype), np.zeros(len(block), np.bool_)
    for place, (frame, address) in enumerate(zip(block.frames(), block.addresses.tolist(), strict=True)):
        try:
            values[place] = read(frame, address)
            good[place] = True
        except FrameError:
            continue
    return values, good
