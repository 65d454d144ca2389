"""Modbus RTU: answers tell no more than unit, function and length.

So a late answer to one read would pass for that to another of the same length: a relay's words for a register. After a
meter was silent, it is therefore asked a read of another length first, a fence. The bus and the connection keep
the order, so once that is answered, whatever was asked before it has been answered and dropped. A fence that is not
answered may be answered late too, so the next one has another length again. A meter that leaves all of them
unanswered, or refuses one, is not asked anything else until no answer can be under way any more.
"""

import struct
from dataclasses import dataclass, field
from datetime import datetime

from collectors.gateways.dialects.asking import Asking
from collectors.gateways.line import Action, Item, NoAnswer, item_of, no_clock, relay_of
from collectors.registry import MeterOnLine
from collectors.wire import modbus_rtu
from collectors.wire.errors import FrameError
from collectors.wire.modbus import WRITE_MULTIPLE
from collectors.wire.modbus_rtu import RtuCutter, RtuFrame
from collectors.wire.template import ITEMS

LATE_S = 30.0
"""An answer is no longer under way after this, real seconds: a mobile network has given it up."""
_FENCES = range(1, 13)
"""Words of fences. Few enough that a meter which has words behind its register answers them all."""
_ERROR = 0x80


@dataclass(slots=True)
class _Doubt:
    """What a unit may still answer, until when: reads of the template's lengths, and fences of these."""

    until_s: float
    fences: set[int] = field(default_factory=set)


class ModbusRtuDialect:
    """See `Dialect`."""

    def __init__(self, *, late_s: float = LATE_S) -> None:
        self._late_s = late_s
        self._doubts: dict[int, _Doubt] = {}

    def read(self, meter: MeterOnLine, item: Item) -> Asking:
        """See `Dialect.read`."""
        asked = item_of(meter, item)
        return _read(meter.address, asked.start, asked.words, asked.function)

    def command(self, meter: MeterOnLine, action: Action, deadline: datetime) -> Asking:
        """See `Dialect.command`; Modbus knows no deadline."""
        relay, unit = relay_of(meter), meter.address
        values = relay.off if action is Action.CUT else relay.on
        echo = struct.pack(">HH", relay.start, len(values))

        def answers(frame: bytes) -> bool:
            taken = _taken(frame)
            return _is_of(taken, unit, WRITE_MULTIPLE) and (taken.exception is not None or taken.data == echo)

        request = modbus_rtu.encode_write(unit, start=relay.start, values=values)
        return Asking(request, RtuCutter(), answers, _refusal)

    def clock(self, meter: MeterOnLine) -> tuple[Asking, ...]:
        """See `Dialect.clock`: where Modbus meters have their clocks is not public."""
        raise no_clock(meter)

    def set_clock(self, meter: MeterOnLine, local: datetime) -> Asking:
        """See `Dialect.set_clock`."""
        raise no_clock(meter)

    def fence(self, meter: MeterOnLine, now_s: float) -> Asking | None:
        """See `Dialect.fence`."""
        doubt = self._doubts.get(meter.address)
        if doubt is None or doubt.until_s <= now_s:
            self._doubts.pop(meter.address, None)
            return None
        template = meter.template
        used = doubt.fences | {item.words for name in ITEMS if (item := template.item(name)) is not None}
        words = next((count for count in _FENCES if count not in used), None)
        if words is None:
            raise NoAnswer(f"unit {meter.address} was silent, and may still answer that")
        doubt.fences.add(words)
        return _read(meter.address, template.energy.start, words, template.energy.function)

    def note_silence(self, meter: MeterOnLine, now_s: float) -> None:
        """See `Dialect.note_silence`."""
        self._doubts.setdefault(meter.address, _Doubt(0)).until_s = now_s + self._late_s

    def note_fence(self, meter: MeterOnLine) -> None:
        """See `Dialect.note_fence`."""
        self._doubts.pop(meter.address, None)


def _read(unit: int, start: int, words: int, function: int) -> Asking:
    size = modbus_rtu.answer_size(words)

    def answers(frame: bytes) -> bool:
        taken = _taken(frame)
        return _is_of(taken, unit, function) and (taken.exception is not None or len(frame) == size)

    request = modbus_rtu.encode_read(unit, start=start, words=words, function=function)
    return Asking(request, RtuCutter(), answers, _refusal)


def _taken(frame: bytes) -> RtuFrame:
    """A frame taken apart; one that is damaged is of unit 0, which never answers."""
    try:
        return modbus_rtu.decode_frame(frame)
    except FrameError:
        return RtuFrame(0, 0, b"")


def _is_of(frame: RtuFrame, unit: int, function: int) -> bool:
    return frame.unit == unit and frame.function & ~_ERROR == function


def _refusal(frame: bytes) -> str | None:
    taken = modbus_rtu.decode_frame(frame)
    return None if taken.exception is None else f"unit {taken.unit} answers exception {taken.exception:02X}"
