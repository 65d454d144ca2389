"""What the ledger needs to read rounds, from the bytes of `meter.frames` to columns, in one thread.

Meters of `dtsy1352-dlt645`, which tell ten items. Cases: rounds in which all tell the same, and rounds in which a
twelfth of them tell their counts of events too, as meters are asked for these in turn; of 256 meters and of 16.
"""

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collectors.gateways.gathering import Gathering
from collectors.gateways.line import Item
from collectors.registry import GatewayPlan, MeterOnLine
from collectors.wire import dlt645
from collectors.wire.round import encode_round
from collectors.wire.template import EVENT_ITEMS
from collectors.wire.templates import TEMPLATES
from streams.decode import RoundReader
from tests.ledger_inputs import BEGIN_MS, never_ahead

TEMPLATE = TEMPLATES["dtsy1352-dlt645"]
INTERVAL_MS = 300_000
TURNS = 12
READINGS = 600_000


@dataclass(frozen=True, slots=True)
class _Record:
    offset: int
    value: bytes
    key: bytes = b"S1"
    timestamp: int = 0


class _Meters:
    """All meters there are."""

    def meter_numbers(self, gateway: str, addresses: NDArray[np.uint64]) -> NDArray[np.int32]:
        return addresses.astype(np.int32)


def results() -> Iterator[dict[str, object]]:
    """A figure a case."""
    for size, in_turn in itertools.product((256, 16), (False, True)):
        # A batch holds the rounds of many gateways, each with as many turns.
        gateways = 1024 // size
        rounds = [
            [_round(f"G{gateway}", size, number, in_turn) for gateway in range(gateways)] for number in range(TURNS)
        ]
        reader = RoundReader("S1", _Meters(), never_ahead)
        for batch in rounds:
            reader.read([_Record(offset, value) for offset, value in enumerate(batch)])
        began, taken = time.process_time(), 0
        while taken < READINGS:
            for batch in rounds:
                taken += len(reader.read([_Record(offset, value) for offset, value in enumerate(batch)]).batch)
        seconds = time.process_time() - began
        case = f"{size}, counts of events in turn" if in_turn else f"{size}, all alike"
        yield {"bench": "rounds", "case": case, "readings_per_s": round(taken / seconds)}


def _round(gateway: str, size: int, number: int, in_turn: bool) -> bytes:
    meters = tuple(MeterOnLine(f"M{address}", address, TEMPLATE) for address in range(1, size + 1))
    gathering = Gathering(GatewayPlan("S1", gateway, "dial-in", "", 0, gateway, meters))
    for meter in meters:
        with_events = in_turn and (number + meter.address) % TURNS == 0
        names = [name for names in TEMPLATE.requests(with_events=with_events) for name in names]
        at = BEGIN_MS + number * INTERVAL_MS + 1_000 * meter.address
        gathering.add(meter, at, [(Item(name), _answer(meter.address, name)) for name in names])
    taken = gathering.take(BEGIN_MS + number * INTERVAL_MS)
    assert taken is not None
    return encode_round(taken)


def _answer(address: int, name: str) -> bytes:
    asked = TEMPLATE.item(name)
    assert asked is not None
    value = bytes(asked.words) if name in EVENT_ITEMS else bytes([0x01] * asked.words)
    return dlt645.encode_read_answer(f"{address:012d}", asked.start, value)
