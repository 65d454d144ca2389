"""The frame that shows a condition, for its alarm: found again in the round, as alarms are rare."""

from collections.abc import Mapping
from dataclasses import replace

from collectors.wire.errors import FrameError
from collectors.wire.round import Block, decode_round
from collectors.wire.templates import TEMPLATES
from streams.columns import READ_ONE
from streams.core.conditions import CONDITIONS, Condition
from streams.core.outcome import Alarm, Source


def with_frames(alarms: tuple[Alarm, ...], rounds: Mapping[int, bytes]) -> tuple[Alarm, ...]:
    """Alarms, those of conditions with the frame that shows them.

    Args:
        rounds: The batch's rounds by offset.
    """
    return tuple(
        replace(alarm, frame=find_frame(rounds[alarm.position.offset], alarm.position.line, Condition(alarm.kind)))
        if alarm.kind in CONDITIONS and alarm.position.source is Source.FRAMES
        else alarm
        for alarm in alarms
    )


def find_frame(record: bytes, line: int, condition: Condition) -> bytes:
    """The bytes in a round that show a condition of the meter whose reading is at a line of it."""
    blocks = decode_round(record).blocks
    template, address = _reading_at(blocks, line)
    item = TEMPLATES[template].shows(condition)
    found = b""
    for block in blocks:
        if (block.template, block.item) == (template, item):
            # As where the round was read, the last good one of several counts.
            for frame, sender in zip(block.frames(), block.addresses.tolist(), strict=True):
                if sender == address and _is_good(frame, block, address):
                    found = frame
    return found


def _reading_at(blocks: tuple[Block, ...], line: int) -> tuple[str, int]:
    """Template and address of the frame at a line of a round."""
    for block in blocks:
        if line < len(block):
            return block.template, int(block.addresses[line])
        line -= len(block)
    raise AssertionError("a reading comes from a frame of its round")


def _is_good(frame: bytes, block: Block, address: int) -> bool:
    try:
        READ_ONE[block.item](frame, TEMPLATES[block.template], address)
    except FrameError:
        return False
    return True
