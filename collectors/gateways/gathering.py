"""What a session has read and not yet handed out."""

from dataclasses import dataclass, field

from collectors.gateways.line import Item
from collectors.registry import GatewayPlan, MeterOnLine
from collectors.wire.round import Block, Round
from collectors.wire.template import ITEMS


@dataclass(slots=True)
class Answers:
    """Frames of one template and item."""

    addresses: list[int] = field(default_factory=list)
    read_at: list[int] = field(default_factory=list)
    frames: list[bytes] = field(default_factory=list)

    def add(self, meter: MeterOnLine, read_at: int, frame: bytes) -> None:
        self.addresses.append(meter.address)
        self.read_at.append(read_at)
        self.frames.append(frame)


class Gathering:
    """A round in the making."""

    def __init__(self, plan: GatewayPlan) -> None:
        self._plan = plan
        self._answers: dict[tuple[str, Item], Answers] = {}
        self._damaged: dict[tuple[str, Item], Answers] = {}

    def add(self, meter: MeterOnLine, read_at: int, frames: list[tuple[Item, bytes]]) -> None:
        """Take what a meter answered, all of it at once, so that its items stay in one round."""
        for item, frame in frames:
            self._answers.setdefault((meter.template.name, item), Answers()).add(meter, read_at, frame)

    def add_damaged(self, meter: MeterOnLine, item: Item, read_at: int, frame: bytes) -> None:
        """Keep a damaged frame that came when the meter was asked: the ledger rejects it, with its bytes."""
        self._damaged.setdefault((meter.template.name, item), Answers()).add(meter, read_at, frame)

    def take(self, now_ms: int) -> Round | None:
        """Hand out what was added since the last time; None if nothing was.

        Damaged frames are in blocks of their own, ahead of the others, which so stay of one length and win.
        """
        parts = [*sorted(self._damaged.items(), key=_order), *sorted(self._answers.items(), key=_order)]
        self._answers, self._damaged = {}, {}
        blocks = tuple(
            Block.of_frames(template, item, found.addresses, found.read_at, found.frames)
            for (template, item), found in parts
        )
        return Round(self._plan.site, self._plan.gateway, now_ms, blocks) if blocks else None


def _order(part: tuple[tuple[str, Item], Answers]) -> tuple[str, int]:
    """By template, and then in the order in which a meter is asked."""
    (template, item), _ = part
    return template, ITEMS.index(item)
