"""What rounds tell beside registers: each item's frames as a column, and the columns as a batch has them."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collectors.wire.arrays import decode_bands, decode_conditions, decode_registers, decode_supply
from collectors.wire.round import Block
from collectors.wire.template import EVENT_ITEMS
from collectors.wire.templates import Template
from streams.columns import BANDS_ITEM, STATUS_ITEM, SUPPLY_ITEM
from streams.core.told import BANDS_MAX, UNTOLD

Good = NDArray[np.bool_]
Tell = Callable[[Block, Template], tuple[NDArray[Any], Good]]


def tells(item: str) -> Tell:
    """What reads an item's frames: a row a frame, `Supply.UNKNOWN` or `UNTOLD` where one is not good; and which are."""
    found: Mapping[str, Tell] = {
        SUPPLY_ITEM: decode_supply,
        BANDS_ITEM: _told_bands,
        STATUS_ITEM: _told_conditions,
    }
    return found.get(item, _told_register)


def columns_beside(told: Mapping[str, NDArray[Any]], has_overdraft: Good) -> dict[str, Any]:
    """The columns of a `ReadingBatch` for what is told beside register and supply.

    Args:
        told: By item, a row a reading.
        has_overdraft: Whether the template of each reading names an overdraft.
    """
    return {
        "remaining": _credit(told, has_overdraft),
        "count": told.get("count"),
        "bands": told.get(BANDS_ITEM),
        "conditions": told.get(STATUS_ITEM),
        "events": _events(told, len(has_overdraft)),
    }


def _told_register(block: Block, template: Template) -> tuple[NDArray[np.int64], Good]:
    values, good = decode_registers(block, template)
    return np.where(good, values, UNTOLD), good


def _told_conditions(block: Block, template: Template) -> tuple[NDArray[np.int64], Good]:
    bits, good = decode_conditions(block, template)
    return np.where(good, bits, UNTOLD), good


def _told_bands(block: Block, template: Template) -> tuple[NDArray[np.int64], Good]:
    """As `decode_bands`, in as many places as a meter can have."""
    values, good = decode_bands(block, template)
    told = np.full((len(block), BANDS_MAX), UNTOLD, np.int64)
    told[good, : values.shape[1]] = values[good]
    return told, good


def _credit(told: Mapping[str, NDArray[np.int64]], has_overdraft: Good) -> NDArray[np.int64] | None:
    """Credit in the meters, less what was spent beyond it; `UNTOLD` where a meter tells one of two only."""
    remaining = told.get("remaining")
    if remaining is None:
        return None
    overdraft = told.get("overdraft", np.full(len(remaining), UNTOLD, np.int64))
    whole = (remaining != UNTOLD) & ((overdraft != UNTOLD) | ~has_overdraft)
    return np.where(whole, remaining - np.where(has_overdraft & whole, overdraft, 0), UNTOLD)


def _events(told: Mapping[str, NDArray[np.int64]], count: int) -> NDArray[np.int64] | None:
    """What meters have counted of events, a column an event; None where none tells."""
    if not told.keys() & set(EVENT_ITEMS):
        return None
    untold = np.full(count, UNTOLD, np.int64)
    return np.stack([told.get(name, untold) for name in EVENT_ITEMS], axis=1)
