"""A round: what one gateway's meters answered at one asking, as one record of `meter.frames`.

All numbers little-endian, nothing padded:

    head    53 52        "SR"
            01           version
            n  site      u8 length, UTF-8
            n  gateway   u8 length, UTF-8
            collected_at i64, ms since 1970 UTC by the head-end's clock
            blocks       u8
    block   n  template  u8 length, ASCII
            n  item      u8 length, ASCII: what was asked ("energy", "relay")
            flags        u8; bit 0: addresses and read_at are those of the block before
            count        u16
            frame_length u16; 0: lengths vary
            addresses    u64 x count, read_at i64 x count      (not with bit 0)
            lengths      u16 x count                           (only where they vary)
            frames       the answers' bytes, one behind the other

An address is the meter's number on its gateway (Modbus unit 17 is 17, DL/T645 "000000000161" is 161). Meters that
did not answer have no frame.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collectors.wire.errors import FrameError

MAGIC = b"SR"
VERSION = 1
_SAME_METERS = 1
_COUNT_MAX = 0xFFFF
_BLOCK = struct.Struct("<BHH")
_HEAD = struct.Struct("<qB")


class RoundError(FrameError):
    """A record that is no round; `offset` is the first byte that is wrong or missing."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Answers of one kind: one template, one item, meter by meter."""

    template: str
    item: str
    addresses: NDArray[np.uint64]
    read_at: NDArray[np.int64]
    """When each answer came, ms since 1970 UTC."""
    frame_length: int
    """Bytes of each frame; 0 where they vary."""
    lengths: NDArray[np.uint16] | None
    """Bytes of each frame where they vary, else None."""
    data: bytes

    def __len__(self) -> int:
        return len(self.addresses)

    @classmethod
    def of_frames(
        cls, template: str, item: str, addresses: Sequence[int], read_at: Sequence[int], frames: Sequence[bytes]
    ) -> "Block":
        """A block of whole frames.

        >>> Block.of_frames("ddsy1352", "energy", [17], [0], [b"abc"]).frame_length
        3
        """
        lengths = {len(frame) for frame in frames}
        alike = len(lengths) == 1 and 0 not in lengths
        return cls(
            template=template,
            item=item,
            addresses=np.array(addresses, np.uint64),
            read_at=np.array(read_at, np.int64),
            frame_length=lengths.pop() if alike else 0,
            lengths=None if alike else np.array([len(frame) for frame in frames], np.uint16),
            data=b"".join(frames),
        )

    def frames(self) -> list[bytes]:
        """The frames one by one."""
        if self.lengths is None:
            return [
                self.data[start : start + self.frame_length] for start in range(0, len(self.data), self.frame_length)
            ]
        ends = np.cumsum(self.lengths, dtype=np.int64)
        return [self.data[end - length : end] for end, length in zip(ends.tolist(), self.lengths.tolist(), strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """What one gateway's meters answered at one asking."""

    site: str
    gateway: str
    collected_at: int
    """ms since 1970 UTC by the head-end's clock."""
    blocks: tuple[Block, ...]


def encode_round(taken: Round) -> bytes:
    """The record of a round.

    Raises:
        ValueError: A text is longer than 255 bytes, or a block has more than 65,535 frames.
    """
    parts = [MAGIC, bytes([VERSION]), _text(taken.site), _text(taken.gateway)]
    parts.append(_HEAD.pack(taken.collected_at, len(taken.blocks)))
    before: Block | None = None
    for block in taken.blocks:
        if len(block) > _COUNT_MAX:
            raise ValueError(f"a block has {len(block)} frames, at most {_COUNT_MAX} fit")
        same = before is not None and _same_meters(before, block)
        parts += [_text(block.template), _text(block.item), _BLOCK.pack(same, len(block), block.frame_length)]
        if not same:
            parts += [block.addresses.astype("<u8").tobytes(), block.read_at.astype("<i8").tobytes()]
        if block.lengths is not None:
            parts.append(block.lengths.astype("<u2").tobytes())
        parts.append(block.data)
        before = block
    return b"".join(parts)


def decode_round(record: bytes) -> Round:
    """The round that a record holds; its arrays look into the record's bytes.

    Raises:
        RoundError: The record is no round of a known version, is cut short, or goes on behind its end.
    """
    reader = _Reader(record)
    if reader.take(2) != MAGIC:
        raise RoundError(0, "is no round: does not begin with SR")
    if reader.take(1)[0] != VERSION:
        raise RoundError(2, f"version {record[2]} of the round format is not known")
    site, gateway = reader.text(), reader.text()
    collected_at, count = _HEAD.unpack(reader.take(_HEAD.size))
    blocks: list[Block] = []
    for _ in range(count):
        blocks.append(reader.block(blocks[-1] if blocks else None))
    if reader.at != len(record):
        raise RoundError(reader.at, f"{len(record) - reader.at} bytes behind the end of the round")
    return Round(site, gateway, collected_at, tuple(blocks))


class _Reader:
    """A place in a record."""

    def __init__(self, record: bytes) -> None:
        self._record = record
        self.at = 0

    def take(self, count: int) -> bytes:
        """The next bytes."""
        end = self.at + count
        if end > len(self._record):
            raise RoundError(len(self._record), f"is cut short: {end - len(self._record)} bytes are missing")
        taken = self._record[self.at : end]
        self.at = end
        return taken

    def text(self) -> str:
        """A text behind its length."""
        start = self.at
        try:
            return self.take(self.take(1)[0]).decode()
        except UnicodeDecodeError:
            raise RoundError(start + 1, "is no UTF-8 text") from None

    def block(self, before: Block | None) -> Block:
        """A block; `before` is the one that its meters may be taken from."""
        start = self.at
        template, item = self.text(), self.text()
        flags, count, frame_length = _BLOCK.unpack(self.take(_BLOCK.size))
        if flags & _SAME_METERS:
            if before is None or len(before) != count:
                raise RoundError(start, "has the meters of the block before, which is none or of another length")
            addresses, read_at = before.addresses, before.read_at
        else:
            addresses = np.frombuffer(self.take(8 * count), "<u8")
            read_at = np.frombuffer(self.take(8 * count), "<i8")
        lengths = None if frame_length else np.frombuffer(self.take(2 * count), "<u2")
        size = frame_length * count if lengths is None else int(lengths.sum(dtype=np.int64))
        return Block(template, item, addresses, read_at, frame_length, lengths, self.take(size))


def _same_meters(one: Block, other: Block) -> bool:
    return np.array_equal(one.addresses, other.addresses) and np.array_equal(one.read_at, other.read_at)


def _text(text: str) -> bytes:
    encoded = text.encode()
    if len(encoded) > 0xFF:
        raise ValueError(f"{text[:40]!r}… is longer than 255 bytes")
    return bytes([len(encoded)]) + encoded
