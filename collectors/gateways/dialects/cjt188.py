"""CJ/T188: answers are told by address, identifier and SER, which grows by one a request. The type may differ."""

from datetime import datetime

from collectors.gateways.dialects.asking import Asking, Unfenced
from collectors.gateways.line import Action, Item, Refused, clock_of, item_of, relay_of
from collectors.registry import MeterOnLine
from collectors.wire import cjt188
from collectors.wire.cjt188 import ABNORMAL, ANSWER, READ, Cjt188Cutter, Cjt188Frame
from collectors.wire.clock import cjt188_clock
from collectors.wire.errors import FrameError


class Cjt188Dialect(Unfenced):
    """See `Dialect`."""

    def __init__(self) -> None:
        self._ser = 0

    def read(self, meter: MeterOnLine, item: Item) -> Asking:
        """See `Dialect.read`."""
        return self._reading(meter, item_of(meter, item).start)

    def clock(self, meter: MeterOnLine) -> tuple[Asking, ...]:
        """See `Dialect.clock`."""
        return (self._reading(meter, clock_of(meter).start),)

    def set_clock(self, meter: MeterOnLine, local: datetime) -> Asking:
        """See `Dialect.set_clock`."""
        clock, ser = clock_of(meter), self._next()
        if not clock.command:
            raise Refused(f"template {meter.template.name} does not say how a clock is set")
        template, address = meter.template, f"{meter.address:014d}"
        request = cjt188.encode_write(
            template.meter_type,
            address,
            ser,
            cjt188_clock(local),
            control=clock.control,
            di=clock.command,
            swapped=template.low_byte_first,
        )
        return self._asking(request, address, ser, clock.control, clock.command)

    def _reading(self, meter: MeterOnLine, di: int) -> Asking:
        template, address, ser = meter.template, f"{meter.address:014d}", self._next()
        request = cjt188.encode_read(template.meter_type, address, di, ser, swapped=template.low_byte_first)
        return self._asking(request, address, ser, READ, di)

    def command(self, meter: MeterOnLine, action: Action, deadline: datetime) -> Asking:
        """See `Dialect.command`; the protocol knows no deadline.

        The valve takes a while to move. What it did is seen in the readings that follow, not in the answer's status.
        """
        relay, ser = relay_of(meter), self._next()
        template, address = meter.template, f"{meter.address:014d}"
        request = cjt188.encode_valve(
            template.meter_type,
            address,
            ser,
            relay.cut if action is Action.CUT else relay.restore,
            control=relay.control,
            di=relay.command,
            swapped=template.low_byte_first,
        )
        return self._asking(request, address, ser, relay.control, relay.command)

    def _next(self) -> int:
        self._ser = (self._ser + 1) & 0xFF
        return self._ser

    def _asking(self, request: bytes, address: str, ser: int, control: int, di: int) -> Asking:
        def answers(frame: bytes) -> bool:
            taken = _taken(frame)
            if taken is None or taken.address != address or taken.ser != ser:
                return False
            refused = taken.control == control | ANSWER | ABNORMAL
            return refused or (taken.control == control | ANSWER and taken.di == di)

        return Asking(request, Cjt188Cutter(), answers, _refusal)


def _taken(frame: bytes) -> Cjt188Frame | None:
    try:
        return cjt188.decode_frame(frame)
    except FrameError:
        return None


def _refusal(frame: bytes) -> str | None:
    taken = cjt188.decode_frame(frame)
    return f"meter {taken.address} refuses: status {taken.body.hex().upper()}" if taken.abnormal else None
