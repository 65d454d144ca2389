"""Cutting a stream into frames that begin with 68, tell their length, and end with the sum of their bytes and 16."""

from abc import ABC, abstractmethod
from typing import ClassVar

_START, _END = 0x68, 0x16
_DAMAGED_MAX = 4


class SumCutter(ABC):
    """Finds the valid frames of a stream, wherever in it they begin.

    A 68 in junk may look like the beginning of a long frame. What is behind it is searched all the same, so that it
    never holds back the good frame behind it, nor swallows it. (That a frame holds a whole other one in its data, with
    the right sum at the right place, is left out of account; it would answer no question anyway.)

    Attributes:
        damaged: Frames in all but their check value that came since it was last cleared, the first `_DAMAGED_MAX`.
    """

    head_size: ClassVar[int]
    """Bytes from the 68 on that tell the length."""

    def __init__(self) -> None:
        self.damaged: list[bytes] = []
        self._buffer = bytearray()
        self._judged: set[int] = set()
        """Places in the buffer at which a whole frame turned out damaged."""

    @abstractmethod
    def frame_size(self, head: bytes) -> int:
        """The bytes of the frame that begins with `head`; 0 if none can."""

    def is_summed(self, frame: bytes) -> bool:
        """Whether a frame's check value is right."""
        return sum(frame[:-2]) & 0xFF == frame[-2]

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take bytes in; the valid frames that are whole now."""
        buffer = self._buffer
        buffer += chunk
        frames: list[bytes] = []
        hopeful = place = 0
        waits = False
        while (place := buffer.find(_START, place)) >= 0:
            size = self._size_at(place)
            if size is None or place + size > len(buffer):
                # What may still become a frame is kept, with all behind it.
                hopeful, waits = (hopeful, True) if waits else (place, True)
                place += 1
            elif size and self._is_good(place, size):
                frames.append(bytes(buffer[place : place + size]))
                self._drop(place + size)
                hopeful, place, waits = 0, 0, False
            else:
                place += 1
        self._drop(hopeful if waits else len(buffer))
        return frames

    def clear(self) -> None:
        """Forget what came of a frame that is not whole, and of damaged ones."""
        self._drop(len(self._buffer))
        self.damaged.clear()

    def _size_at(self, place: int) -> int | None:
        """The bytes of the frame that may begin at a place, 0 if none can; None where its head is not whole."""
        head = bytes(self._buffer[place : place + self.head_size])
        return self.frame_size(head) if len(head) == self.head_size else None

    def _is_good(self, place: int, size: int) -> bool:
        frame = bytes(self._buffer[place : place + size])
        if frame[-1] != _END:
            return False
        if self.is_summed(frame):
            return True
        if place not in self._judged and len(self.damaged) < _DAMAGED_MAX:
            self.damaged.append(frame)
        self._judged.add(place)
        return False

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._judged = {place - count for place in self._judged if place >= count}
