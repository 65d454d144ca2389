"""The frames that show conditions, for their alarms: found again in the rounds, as alarms are rare."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from collectors.wire.errors import FrameError
from collectors.wire.round import Block, decode_round
from collectors.wire.templates import TEMPLATES
from streams.columns import READ_ONE
from streams.core.conditions import CONDITIONS, Condition
from streams.core.outcome import Alarm, Source


def with_frames(alarms: Sequence[Alarm], rounds: Mapping[int, bytes]) -> tuple[Alarm, ...]:
    """Alarms, those of conditions with the frame that shows them.

    Args:
        rounds: The batch's rounds by offset.
    """
    opened: dict[int, _Opened] = {}
    found = []
    for alarm in alarms:
        position = alarm.position
        if alarm.kind in CONDITIONS and position.source is Source.FRAMES:
            # Once a round: on the day that many meters are first asked, one round may bring an alarm for each of them.
            if position.offset not in opened:
                opened[position.offset] = _Opened(decode_round(rounds[position.offset]).blocks)
            alarm = replace(alarm, frame=opened[position.offset].frame(position.line, Condition(alarm.kind)))
        found.append(alarm)
    return tuple(found)


class _Opened:
    """A round whose frames are looked up."""

    def __init__(self, blocks: tuple[Block, ...]) -> None:
        self._blocks = blocks
        self._frames: dict[tuple[str, str], dict[int, bytes]] = {}

    def frame(self, line: int, condition: Condition) -> bytes:
        """The bytes that show a condition of the meter whose reading is at a line of the round."""
        template, address = self._reading_at(line)
        item = TEMPLATES[template].shows(condition)
        assert item is not None, f"nothing of template {template} shows {condition}"
        if (template, item) not in self._frames:
            self._frames[template, item] = self._good_frames(template, item)
        return self._frames[template, item][address]

    def _reading_at(self, line: int) -> tuple[str, int]:
        """Template and address of the frame at a line."""
        for block in self._blocks:
            if line < len(block):
                return block.template, int(block.addresses[line])
            line -= len(block)
        raise AssertionError("a reading comes from a frame of its round")

    def _good_frames(self, template: str, item: str) -> dict[int, bytes]:
        """An item's frames by address; as where the round was read, the last of several counts."""
        good = {}
        for block in self._blocks:
            if (block.template, block.item) == (template, item):
                for frame, address in zip(block.frames(), block.addresses.tolist(), strict=True):
                    if _is_good(frame, block, address):
                        good[address] = frame
        return good


def _is_good(frame: bytes, block: Block, address: int) -> bool:
    try:
        READ_ONE[block.item](frame, TEMPLATES[block.template], address)
    except FrameError:
        return False
    return True
