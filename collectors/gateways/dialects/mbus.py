"""M-Bus: an answer tells its meter's address, and no more of what it answers; there is one question alone."""

from datetime import datetime

from collectors.gateways.dialects.asking import Asking, Unfenced
from collectors.gateways.line import Action, Item, Refused, item_of, no_clock
from collectors.registry import MeterOnLine
from collectors.wire import mbus
from collectors.wire.errors import FrameError
from collectors.wire.mbus import MbusCutter


class MbusDialect(Unfenced):
    """See `Dialect`.

    A meter repeats its last answer to a request that looks like the last one. So each request looks unlike the one
    before, also where that was not answered: a register that is repeated would be an old one.
    """

    def __init__(self) -> None:
        self._further: dict[int, bool] = {}

    def read(self, meter: MeterOnLine, item: Item) -> Asking:
        """See `Dialect.read`."""
        item_of(meter, item)
        further = self._further[meter.address] = not self._further.get(meter.address, False)

        def answers(frame: bytes) -> bool:
            try:
                taken = mbus.decode_frame(frame)
            except FrameError:
                return False
            return taken.address == meter.address and mbus.is_answer(taken)

        return Asking(mbus.encode_request(meter.address, further=further), MbusCutter(), answers, _no_refusal)

    def command(self, meter: MeterOnLine, action: Action, deadline: datetime) -> Asking:
        """See `Dialect.command`: nothing is known that valves of M-Bus meters have in common."""
        raise Refused(f"a meter of template {meter.template.name} takes no commands")

    def clock(self, meter: MeterOnLine) -> tuple[Asking, ...]:
        """See `Dialect.clock`."""
        raise no_clock(meter)

    def set_clock(self, meter: MeterOnLine, local: datetime) -> Asking:
        """See `Dialect.set_clock`."""
        raise no_clock(meter)


def _no_refusal(_frame: bytes) -> str | None:
    return None
