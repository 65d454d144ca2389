"""Records of `frames.rejected`: what they say, and which are asked for."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from collectors.topic_scan import scan_since
from collectors.wire.round import RoundError, decode_round
from infra.topics import FRAMES_REJECTED, partition_of

_PLACE = re.compile(r"(.+?)/\d+ \S+ \S+: ")
"""A frame's detail begins with gateway, address, template and item."""


class _Value(msgspec.Struct):
    reason: str
    detail: str
    input: str
    partition: int
    offset: int
    line: int
    length: int
    bytes: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """Bytes that were set aside.

    Attributes:
        gateway: Where they came from; empty if that cannot be told.
        input: `frames` or `orders`, the input that has the record whole.
        partition: Of that input; with `offset` the record, with `line` the frame in it, counted from 0.
        at_ms: When it was set aside, real ms.
        length: Bytes; of very many, `data` holds only the first.
    """

    site: str
    gateway: str
    reason: str
    detail: str
    input: str
    partition: int
    offset: int
    line: int
    at_ms: int
    length: int
    data: bytes

    @property
    def place(self) -> str:
        """Its identity, as `retry` takes it."""
        return f"{self.input}:{self.partition}:{self.offset}:{self.line}"

    @property
    def is_whole(self) -> bool:
        """Whether the record was set aside as it is, and not a frame in it."""
        return self.reason in ("malformed", "future")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which ones are asked for; what is empty asks for all."""

    site: str = ""
    gateway: str = ""
    reason: str = ""
    since_ms: int = 0
    places: frozenset[str] = frozenset()

    def has(self, rejected: Rejected) -> bool:
        """Whether this one is."""
        asked = (self.site, rejected.site), (self.gateway, rejected.gateway), (self.reason, rejected.reason)
        return all(not wish or wish == found for wish, found in asked) and (
            not self.places or rejected.place in self.places
        )

    @property
    def is_all(self) -> bool:
        return not (self.site or self.gateway or self.reason or self.since_ms or self.places)


def find_rejected(bootstrap: str, wanted: Wanted, *, partitions: int) -> Iterator[Rejected]:
    """What was set aside and is still kept (30 days), by partition and age."""
    numbers = [partition_of(wanted.site.encode(), partitions)] if wanted.site else list(range(partitions))
    for record in scan_since(bootstrap, FRAMES_REJECTED, numbers, since_ms=wanted.since_ms):
        rejected = read_rejected(record.key, record.value, record.timestamp)
        if wanted.has(rejected):
            yield rejected


def read_rejected(key: bytes | None, value: bytes, at_ms: int) -> Rejected:
    """What one record says."""
    said = msgspec.json.decode(value, type=_Value)
    data = bytes.fromhex(said.bytes)
    return Rejected(
        site=(key or b"").decode(errors="backslashreplace"),
        gateway=_gateway(said, data),
        reason=said.reason,
        detail=said.detail,
        input=said.input,
        partition=said.partition,
        offset=said.offset,
        line=said.line,
        at_ms=at_ms,
        length=said.length,
        data=data,
    )


def _gateway(said: _Value, data: bytes) -> str:
    """A frame's detail names its gateway; a whole round has it in its bytes."""
    if said.input != "frames":
        return ""
    if said.reason in ("malformed", "future"):
        try:
            return decode_round(data).gateway
        except RoundError:
            return ""
    named = _PLACE.match(said.detail)
    return named[1] if named else ""
