"""The body of an upload: JSON readings and raw frames, made into rounds. Pure."""

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from collectors.uploads.errors import UploadError
from collectors.uploads.reading import READING, Reading, answers_of
from collectors.wire.round import Block, Round
from collectors.wire.template import ITEMS
from collectors.wire.templates import TEMPLATES
from streams.core.errors import MalformedError
from streams.core.localtime import parse_time
from streams.core.strictjson import read_object

BODY_BYTES_MAX: Final = 1 << 20
ENTRIES_MAX: Final = 10_000
ROUNDS_MAX: Final = 2_000
FRAME_BYTES_MAX: Final = 1_024
ID_CHARACTERS_MAX: Final = 200
AHEAD_MS: Final = 15 * 60_000
"""What the ledger takes of a meter's clock that is fast."""

_HALF: Final = "has half of a surrogate pair, which is no character"
_ADDRESS_MAX: Final = (1 << 64) - 1
_READING_ADDRESS_MAX: Final = 999_999_999_998


class _Frame(msgspec.Struct, forbid_unknown_fields=True):
    address: str
    template: str
    read_at: str
    item: str = "energy"
    hex: str | None = None
    base64: str | None = None


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    v: int
    upload: str
    readings: list[Reading] = []
    frames: list[_Frame] = []


@dataclass(frozen=True, slots=True)
class Upload:
    """What a gateway brought.

    Attributes:
        identity: The gateway's own; the same again is the same upload.
        rounds: By rising `read_at` of each meter, at most one reading of a meter in each.
    """

    identity: str
    readings: int
    frames: int
    rounds: tuple[Round, ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A frame, and where it is said."""

    field: str
    address: int
    template: str
    item: str
    read_at: int
    frame: bytes


def read_upload(body: bytes, *, site: str, gateway: str, now_ms: int) -> Upload:
    """The rounds that a body holds, complete as of `now_ms`.

    Raises:
        UploadError: It is too long, no JSON, or something in it is unknown, missing, wrong or there twice; says where.
    """
    if len(body) > BODY_BYTES_MAX:
        raise UploadError("", f"is longer than {BODY_BYTES_MAX} bytes")
    found = _convert(body)
    if found.v != 1:
        raise UploadError("v", f"version {found.v} is not known, 1 is")
    if not 0 < len(found.upload) <= ID_CHARACTERS_MAX:
        raise UploadError("upload", f"must have 1 to {ID_CHARACTERS_MAX} characters")
    if _has_half(found.upload):
        raise UploadError("upload", _HALF)
    if not found.readings and not found.frames:
        raise UploadError("readings", "there are none, and no frames")
    if len(found.readings) + len(found.frames) > ENTRIES_MAX:
        raise UploadError("readings", f"there are more than {ENTRIES_MAX}, with the frames")
    entries: list[_Entry] = []
    for number, reading in enumerate(found.readings):
        field = f"readings[{number}]"
        address = _address(field, reading.address, _READING_ADDRESS_MAX)
        read_at = _read_at(field, reading.read_at, now_ms)
        entries += [
            _Entry(field, address, READING, item, read_at, frame)
            for item, frame in answers_of(field, reading, f"{address:012d}")
        ]
    entries += [_frame_entry(f"frames[{number}]", frame, now_ms) for number, frame in enumerate(found.frames)]
    rounds = tuple(_rounds(entries, site, gateway, now_ms))
    return Upload(found.upload, len(found.readings), len(found.frames), rounds)


def _convert(body: bytes) -> _Body:
    try:
        fields = read_object(body)
    except MalformedError as error:
        raise UploadError(error.field, error.reason) from None
    try:
        return msgspec.convert(fields, type=_Body)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$")
        raise UploadError(place.strip("`").lstrip("."), reason) from None
    except UnicodeEncodeError:
        # Of a field's name, which the message would have named.
        raise UploadError("", _HALF) from None


def _has_half(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= mark <= "\udfff" for mark in text)


def _frame_entry(field: str, frame: _Frame, now_ms: int) -> _Entry:
    if frame.template not in TEMPLATES:
        raise UploadError(f"{field}.template", f"{frame.template!r} is not known")
    if frame.item not in ITEMS:
        raise UploadError(f"{field}.item", f"must be one of {', '.join(ITEMS)}")
    return _Entry(
        field,
        _address(field, frame.address, _ADDRESS_MAX),
        frame.template,
        frame.item,
        _read_at(field, frame.read_at, now_ms),
        _bytes(field, frame),
    )


def _bytes(field: str, frame: _Frame) -> bytes:
    if (frame.hex is None) == (frame.base64 is None):
        raise UploadError(f"{field}.hex", "either hex or base64 must be there")
    try:
        found = base64.b64decode(frame.base64 or "", validate=True) if frame.hex is None else bytes.fromhex(frame.hex)
    except (ValueError, binascii.Error):
        name = "base64" if frame.hex is None else "hex"
        raise UploadError(f"{field}.{name}", f"is no {name}") from None
    if not 0 < len(found) <= FRAME_BYTES_MAX:
        raise UploadError(field, f"has {len(found)} bytes, must have 1 to {FRAME_BYTES_MAX}")
    return found


def _address(field: str, text: str, largest: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 20 and int(text) <= largest):
        raise UploadError(f"{field}.address", f"must be a number up to {largest}, in quotes")
    return int(text)


def _read_at(field: str, text: str, now_ms: int) -> int:
    at = parse_time(text)
    if at is None:
        raise UploadError(f"{field}.read_at", "must be a time such as 2026-03-02T12:00:00+08:00")
    if at > now_ms + AHEAD_MS:
        raise UploadError(f"{field}.read_at", "is more than 15 minutes ahead")
    return at


def _rounds(entries: Iterable[_Entry], site: str, gateway: str, now_ms: int) -> Iterable[Round]:
    """The first readings of all meters, then the second ones, and so on: the ledger joins supply by address."""
    moments: dict[int, dict[int, list[_Entry]]] = {}
    for entry in entries:
        there = moments.setdefault(entry.address, {}).setdefault(entry.read_at, [])
        if any(other.item == entry.item for other in there):
            raise UploadError(entry.field, f"a second {entry.item} of address {entry.address} at one read_at")
        there.append(entry)
    by_meter = [[of_meter[at] for at in sorted(of_meter)] for of_meter in moments.values()]
    longest = max(len(readings) for readings in by_meter)
    if longest > ROUNDS_MAX:
        raise UploadError("readings", f"there are more than {ROUNDS_MAX} of one meter")
    for number in range(longest):
        together = [entry for readings in by_meter if number < len(readings) for entry in readings[number]]
        yield Round(site, gateway, now_ms, tuple(_blocks(together)))


def _blocks(entries: Sequence[_Entry]) -> Iterable[Block]:
    kinds: dict[tuple[str, str], list[_Entry]] = {}
    for entry in entries:
        kinds.setdefault((entry.template, entry.item), []).append(entry)
    for (template, item), found in sorted(kinds.items(), key=lambda kind: kind[0]):
        addresses, times = [entry.address for entry in found], [entry.read_at for entry in found]
        yield Block.of_frames(template, item, addresses, times, [entry.frame for entry in found])
