"""Whole rounds at once: equal frames side by side as a matrix of bytes, checked and read by columns.

What each frame says is exactly what `collectors.wire.answers` reads from it alone; frames whose lengths vary, or whose
length is not that of a good answer, are read one by one there.
"""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from collectors.wire import arrays_cjt188, arrays_dlt645, arrays_modbus
from collectors.wire.answers import read_register, read_supply
from collectors.wire.errors import FrameError
from collectors.wire.matrix import Bytes, Good, Values
from collectors.wire.round import Block
from collectors.wire.template import Template

T = TypeVar("T", bound=np.generic)

_READERS = {"modbus": arrays_modbus, "dlt645-2007": arrays_dlt645, "cjt188": arrays_cjt188}


def decode_registers(block: Block, template: Template) -> tuple[Values, Good]:
    """The running totals that a block of the item `energy` tells.

    Returns:
        Wh or litres for each frame, and whether the frame is good; a total is 0 where it is not.
    """
    reader = _READERS[template.protocol]
    if block.frame_length not in reader.answer_sizes(template.energy):
        return _one_by_one(block, lambda frame, address: read_register(frame, template, address), np.int64)
    total, good = reader.registers(_matrix(block), block.addresses, template.energy)
    return np.where(good, total, 0), good


def decode_supply(block: Block, template: Template) -> tuple[Bytes, Good]:
    """What a block of the item `relay` tells of supply.

    Returns:
        A `Supply` code for each frame, and whether the frame is good; UNKNOWN where it is not.
    """
    reader = _READERS[template.protocol]
    if template.relay is None or block.frame_length not in reader.answer_sizes(template.relay):
        return _one_by_one(block, lambda frame, address: read_supply(frame, template, address), np.uint8)
    supply, good = reader.supply(_matrix(block), block.addresses, template.relay)
    return np.where(good, supply, np.uint8(0)), good


def _matrix(block: Block) -> Bytes:
    return np.frombuffer(block.data, np.uint8).reshape(len(block), block.frame_length)


def _one_by_one(block: Block, read: Callable[[bytes, int], int], dtype: type[T]) -> tuple[NDArray[T], Good]:
    values, good = np.zeros(len(block), dtype), np.zeros(len(block), np.bool_)
    for place, (frame, address) in enumerate(zip(block.frames(), block.addresses.tolist(), strict=True)):
        try:
            values[place] = read(frame, address)
            good[place] = True
        except FrameError:
            continue
    return values, good
