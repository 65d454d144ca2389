"""JSON and MessagePack at the ledger's edges: orders in; commands, notices, rejected bytes and next offsets
out.

Everything that goes out names its cause, so that a reader can tell a repeat. Times are ISO 8601 with offset.
"""

from typing import Any, Final

import msgspec

from collectors.wire.signature import SIGNATURE, sign
from streams.core.errors import MalformedError
from streams.core.localtime import MINUTE_MS, format_time, parse_time
from streams.core.orderform import check_site
from streams.core.outcome import Command, Notice, Position
from streams.core.strictjson import read_object
from streams.core.units import format_money
from streams.errors import StateError

VERSION: Final = 1
COMMAND_LIFE_MS: Final = 15 * MINUTE_MS
"""A gateway ignores a command that is older."""
ORDER_BYTES_MAX: Final = 1 << 18
"""What an order says comes back in postings and pages, which must fit their topics."""
REJECTED_BYTES_MAX: Final = 1 << 20
DETAIL_MAX: Final = 1_000

_encode_json = msgspec.json.Encoder().encode


class NextOffsets(msgspec.Struct, frozen=True):
    """How far a partition's ledger is: the offsets it takes next and the number of its next batch."""

    frames: int
    orders: int
    sequence: int
    v: int = VERSION


NEXT_KEY: Final = b"\0next"
"""The key of `NextOffsets` in `ledger.state`; no page's key begins with a zero byte."""

_encode_next = msgspec.msgpack.Encoder().encode
_decode_next = msgspec.msgpack.Decoder(NextOffsets).decode


def encode_next(offsets: NextOffsets) -> bytes:
    return _encode_next(offsets)


def decode_next(value: bytes) -> NextOffsets:
    """Read the value of `NEXT_KEY`.

    Raises:
        StateError: Not this version's form.
    """
    try:
        offsets = _decode_next(value)
    except msgspec.MsgspecError as error:
        raise StateError(f"next offsets: {error}") from error
    if offsets.v != VERSION:
        raise StateError(f"next offsets of version {offsets.v}, not {VERSION}")
    return offsets


def read_site(key: bytes | None) -> str:
    """The site that a record's key names.

    Raises:
        MalformedError: No key, not UTF-8, too long, or with a character that page keys keep for themselves.
    """
    if not key:
        raise MalformedError("key", "is missing")
    try:
        site = key.decode()
    except UnicodeDecodeError as error:
        raise MalformedError("key", "is not UTF-8") from error
    check_site(site, "key")
    return site


def read_order(value: bytes | None) -> tuple[dict[str, object], int]:
    """The JSON object of an order and its `at` in ms.

    Raises:
        MalformedError: Not a JSON object, a name twice, or no `at` that can be read, or too long.
    """
    if len(value or b"") > ORDER_BYTES_MAX:
        raise MalformedError("", f"is longer than {ORDER_BYTES_MAX} bytes")
    order = read_object(value or b"")
    at = order.get("at")
    parsed = parse_time(at) if isinstance(at, str) else None
    if parsed is None:
        raise MalformedError("at", "must be a time such as 2026-01-05T08:00:00+08:00")
    return order, parsed


def command_value(
    command: Command, *, site: str, meter: str, gateway: str, address: str, template: str, key: bytes | None = None
) -> bytes:
    """The value of a `gateway.commands` record, signed with the gateway's key if it has one."""
    fields = {
        "v": VERSION,
        "site": site,
        "gateway": gateway,
        "meter": meter,
        "address": address,
        "template": template,
        "sequence": command.sequence,
        "action": command.action,
        "reason": command.reason,
        "repeat": command.repeat,
        **_sold(command),
        "issued_at": format_time(command.at),
        "expires_at": format_time(command.at + COMMAND_LIFE_MS),
    }
    if key is not None:
        fields[SIGNATURE] = sign(key, fields)
    return _encode_json(fields)


def _sold(command: Command) -> dict[str, Any]:
    """What a command to recharge says beside the others."""
    if command.action != "recharge":
        return {}
    return {"amount": format_money(command.amount), "count": command.count}


def notice_value(notice: Notice, *, site: str, account: str, partition: int) -> bytes:
    """The value of an `office.notices` record."""
    return _encode_json(
        {
            "v": VERSION,
            "site": site,
            "account": account,
            "kind": notice.kind,
            "at": format_time(notice.at),
            **_cause(notice.position, partition),
        }
    )


def rejected_value(*, reason: str, detail: str, position: Position, partition: int, data: bytes) -> bytes:
    """The value of a `frames.rejected` record: the bytes as they came, in hexadecimal, and how many they were.

    Of very many only the first are in it, so that the record always fits its topic; all are in the input.
    """
    return _encode_json(
        {
            "v": VERSION,
            "reason": reason,
            # What came may hold what no text may; it is shown escaped.
            "detail": detail[:DETAIL_MAX].encode(errors="backslashreplace").decode(),
            **_cause(position, partition),
            "length": len(data),
            "bytes": data[:REJECTED_BYTES_MAX].hex(),
        }
    )


def _cause(position: Position, partition: int) -> dict[str, Any]:
    return {
        "input": position.source.name.lower(),
        "partition": partition,
        "offset": position.offset,
        "line": position.line,
    }
