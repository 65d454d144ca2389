"""Modbus RTU: answers tell no more than unit, function and length.

So a late answer to one read would pass for that to another of the same length: a relay's words for a register. After a
meter was silent, it is therefore asked a read of another length first, a fence. The bus and the connection keep
the order, so once that is answered, whatever was asked before it has been answered and dropped. A meter that does not
answer the fence is not asked anything else until the old answer cannot be under way any more.
"""

import struct
from datetime import datetime

from collectors.gateways.dialects.asking import Asking
from collectors.gateways.line import Action, Item, item_of, relay_of
from collectors.registry import MeterOnLine
from collectors.wire import modbus_rtu
from collectors.wire.errors import FrameError
from collectors.wire.modbus import READ_HOLDING, WRITE_MULTIPLE
from collectors.wire.modbus_rtu import RtuCutter, RtuFrame

LATE_S = 60.0
"""An answer is no longer under way after this, real seconds: a mobile network has given it up."""
_ERROR = 0x80


class ModbusRtuDialect:
    """See `Dialect`."""

    def __init__(self, *, late_s: float = LATE_S) -> None:
        self._late_s = late_s
        self._doubtful: dict[int, float] = {}
        """Units of which an answer may still come, and until when."""

    def read(self, meter: MeterOnLine, item: Item) -> Asking:
        """See `Dialect.read`."""
        asked = item_of(meter, item)
        function = meter.template.energy.function if item is Item.ENERGY else READ_HOLDING
        return _read(meter.address, asked.start, asked.words, function)

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

    def fence(self, meter: MeterOnLine, now_s: float) -> Asking | None:
        """See `Dialect.fence`."""
        if self._doubtful.get(meter.address, now_s) <= now_s:
            self._doubtful.pop(meter.address, None)
            return None
        template = meter.template
        used = {template.energy.words} | ({template.relay.words} if template.relay is not None else set())
        words = next(count for count in (1, 2, 3, 4, 5) if count not in used)
        return _read(meter.address, template.energy.start, words, template.energy.function)

    def note_silence(self, meter: MeterOnLine, now_s: float) -> None:
        """See `Dialect.note_silence`."""
        self._doubtful[meter.address] = now_s + self._late_s

    def note_fence(self, meter: MeterOnLine) -> None:
        """See `Dialect.note_fence`."""
        self._doubtful.pop(meter.address, None)


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
