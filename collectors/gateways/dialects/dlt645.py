"""DL/T645-2007: answers are told by address, control code and identifier."""

from datetime import datetime

from collectors.gateways.dialects.asking import Asking, Unfenced
from collectors.gateways.line import Action, Item, Refused, clock_of, item_of, relay_of
from collectors.registry import MeterOnLine
from collectors.wire import dlt645
from collectors.wire.clock import dlt645_clock
from collectors.wire.dlt645 import ANSWER, READ, RELAY, Dlt645Cutter, Dlt645Frame
from collectors.wire.errors import FrameError


class Dlt645Dialect(Unfenced):
    """See `Dialect`."""

    def read(self, meter: MeterOnLine, item: Item) -> Asking:
        """See `Dialect.read`."""
        return self._reading(meter, item_of(meter, item).start)

    def _reading(self, meter: MeterOnLine, di: int) -> Asking:
        address = f"{meter.address:012d}"

        def answers(frame: bytes) -> bool:
            taken = _taken(frame)
            return taken is not None and (
                taken.address == address
                and (
                    (taken.control == READ | ANSWER and taken.di == di)
                    or (taken.abnormal and taken.control & 0x1F == READ)
                )
            )

        return Asking(dlt645.encode_read(address, di), Dlt645Cutter(), answers, _refusal)

    def command(self, meter: MeterOnLine, action: Action, deadline: datetime) -> Asking:
        """See `Dialect.command`; the meter itself heeds the deadline."""
        relay, address = relay_of(meter), f"{meter.address:012d}"
        orders = {
            Action.CUT: relay.cut,
            Action.RESTORE: relay.restore,
            Action.RETAIN: relay.retain,
            Action.RELEASE: relay.release,
        }
        if not orders[action]:
            raise Refused(f"template {meter.template.name} has no {action}")
        request = dlt645.encode_relay(
            address,
            orders[action],
            deadline=deadline,
            password=bytes.fromhex(relay.password),
            operator=bytes.fromhex(relay.operator),
        )

        def answers(frame: bytes) -> bool:
            taken = _taken(frame)
            return (
                taken is not None
                and taken.address == address
                and bool(taken.control & ANSWER)
                and taken.control & 0x1F == RELAY
            )

        return Asking(request, Dlt645Cutter(), answers, _refusal)

    def clock(self, meter: MeterOnLine) -> tuple[Asking, ...]:
        """See `Dialect.clock`: the time of day, then the date."""
        clock = clock_of(meter)
        return self._reading(meter, clock.start), self._reading(meter, clock.date)

    def set_clock(self, meter: MeterOnLine, local: datetime) -> Asking:
        """See `Dialect.set_clock`: a broadcast, which every meter of the bus hears and none answers."""
        clock_of(meter)
        return Asking(dlt645.encode_time(dlt645_clock(local)), Dlt645Cutter(), None, _refusal)


def _taken(frame: bytes) -> Dlt645Frame | None:
    try:
        return dlt645.decode_frame(frame)
    except FrameError:
        return None


def _refusal(frame: bytes) -> str | None:
    taken = dlt645.decode_frame(frame)
    return f"meter {taken.address} refuses: {taken.error!r}" if taken.abnormal else None
