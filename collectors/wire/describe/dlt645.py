"""A DL/T645-2007 frame in words and numbers."""

from typing import Any

from collectors.wire import bcd
from collectors.wire.dlt645 import ABNORMAL, ANSWER, Dlt645Frame, decode_frame
from collectors.wire.identifiers import Form, Identifier, identifier

_PREAMBLE = 0xFE
_DATA_AT = 10
_MORE = 0x20
_FUNCTIONS = {
    0x03: "security",
    0x08: "broadcast time",
    0x11: "read",
    0x12: "read follow-up",
    0x13: "read address",
    0x14: "write",
    0x15: "write address",
    0x16: "freeze",
    0x17: "baud rate",
    0x18: "password",
    0x19: "clear demand",
    0x1A: "clear meter",
    0x1B: "clear events",
    0x1C: "relay control",
    0x1D: "terminal output",
}
RELAY_COMMANDS = {
    0x1A: "trip",
    0x1B: "allow closing",
    0x1C: "close",
    0x2A: "alarm on",
    0x2B: "alarm off",
    0x3A: "power-keep",
    0x3B: "end power-keep",
}
_ERRORS = (
    "other",
    "no requested data",
    "password wrong or not authorised",
    "baud rate cannot change",
    "too many year zones",
    "too many day slots",
    "too many tariffs",
)
_SECURITY_ERRORS = (
    "other",
    "duplicate recharge",
    "ESAM verification failed",
    "identity authentication failed",
    "customer number mismatch",
    "recharge count wrong",
    "over the hoarding limit",
)
_SECURITY, _STATUS_QUERY = 0x03, 0x078102FF


def describe(frame: bytes) -> dict[str, Any]:
    """One frame, maybe behind its preamble, as JSON-like values.

    Raises:
        FrameError: It is no valid DL/T645-2007 frame, or a value in it is no BCD.
    """
    taken = decode_frame(frame.lstrip(bytes([_PREAMBLE])))
    function = taken.control & 0x1F
    told: dict[str, Any] = {"address": taken.address, "control": f"{taken.control:02X}"}
    kind = _FUNCTIONS.get(function, "unknown")
    if taken.abnormal:
        return {**told, "kind": f"{kind} refused", **_error(taken)}
    if not taken.control & ANSWER:
        return {**told, **_request(kind, function, taken.data)}
    if taken.control & _MORE:
        told["more"] = True
    return {**told, **_answer(kind, function, taken.data)}


def _error(taken: Dlt645Frame) -> dict[str, Any]:
    security = taken.control == _SECURITY | ANSWER | ABNORMAL
    size = 2 if security and len(taken.data) >= 2 else 1
    error, names = int.from_bytes(taken.data[:size], "little"), _SECURITY_ERRORS if security else _ERRORS
    bits = [bit for bit in range(8 * size) if error >> bit & 1]
    meant = [names[bit] if bit < len(names) else "reserved" for bit in bits]
    return {"err": f"{error:0{2 * size}X}", "error_bits": bits, "error": ", ".join(meant)}


def _request(kind: str, function: int, data: bytes) -> dict[str, Any]:
    told: dict[str, Any] = {"kind": f"{kind} request"}
    if function in (0x11, 0x12, 0x14, _SECURITY) and len(data) >= 4:
        told["di"] = _di_text(data)
        if function == 0x12 and len(data) > 4:
            told["ser"] = data[4]
        elif function == _SECURITY and len(data) >= 8:
            told |= {"operator": _hex(data[4:8]), "data": _hex(data[8:])}
        elif len(data) > 4:
            told["data"] = _hex(data[4:])
    elif function == 0x08 and len(data) == 6:
        told |= {"kind": "broadcast time", "datetime": bcd.moment(data[5:], data[4::-1])}
    elif function == 0x1C and len(data) == 16:
        told |= {
            "command": f"{data[8]:02X}",
            "command_name": RELAY_COMMANDS.get(data[8], "unknown"),
            "deadline": bcd.moment(data[15:], data[14:9:-1]),
            "password_level": f"{data[0]:02X}",
            "operator": _hex(data[4:8]),
        }
    elif function == 0x15 and len(data) == 6:
        told["payload_address"] = _hex(data[::-1])
    elif data:
        told["data"] = _hex(data)
    return told


def _answer(kind: str, function: int, data: bytes) -> dict[str, Any]:
    told: dict[str, Any] = {"kind": f"{kind} answer"}
    if function == 0x13 and len(data) == 6:
        return {"kind": "address reply", "payload_address": _hex(data[::-1])}
    if function == 0x1C and not data:
        return {"kind": "relay control accepted"}
    if function in (0x11, 0x12) and len(data) >= 4:
        body = data[4:]
        if function == 0x12 and body:
            told["ser"], body = body[-1], body[:-1]
        di = int.from_bytes(data[:4], "little")
        return {**told, "di": f"{di:08X}", **_value(di, body)}
    if function == _SECURITY and len(data) >= 4:
        told["di"] = _di_text(data)
        if int.from_bytes(data[:4], "little") == _STATUS_QUERY and len(data) == 30:
            told |= {
                "value": bcd.decimal_text(data[4:8], 2, at=_DATA_AT + 4),
                "unit": "yuan",
                "count": bcd.number(data[12:16], at=_DATA_AT + 12),
                "payload_address": _hex(data[25:19:-1]),
            }
        elif len(data) > 4:
            told["data"] = _hex(data[4:])
    elif data:
        told["data"] = _hex(data)
    return told


def _value(di: int, body: bytes) -> dict[str, Any]:
    """What stands behind an identifier; as bare `data` where that is not known, or is of another length."""
    known = identifier(di)
    if known is None or not body or len(body) % known.size:
        return {"data": _hex(body)}
    told: dict[str, Any] = {"kind": known.kind}
    parts = [body[start : start + known.size] for start in range(0, len(body), known.size)]
    values = [_one(known, part) for part in parts]
    name = _NAMES[known.form]
    if len(values) > 1:
        told["values"] = values
    elif known.form is Form.DATE and not bcd.is_absent(body):
        # Weekday, day, month, year, as sent.
        date = bcd.moment(body[3:], bytes([body[2], body[1], 0, 0]))
        told |= {
            "date": date and date[:10],
            "datetime": date and date[:10],
            "weekday": bcd.number(body[:1], at=_DATA_AT + 4),
        }
    else:
        told[name] = values[0]
    if known.form is Form.WORD and len(values) == 1:
        word = int.from_bytes(body, "little")
        told["bits"] = [bit for bit in range(16) if word >> bit & 1]
    if known.unit:
        told["unit"] = known.unit
    return told


_NAMES = {
    Form.DECIMAL: "value",
    Form.COUNT: "count",
    Form.NUMBER: "payload_address",
    Form.WORD: "word",
    Form.DATE: "date",
    Form.TIME: "time",
    Form.MOMENT: "datetime",
}


def _one(known: Identifier, part: bytes) -> str | int | None:
    at = _DATA_AT + 4
    if known.form is Form.WORD:
        return f"{int.from_bytes(part, 'little'):04X}"
    if bcd.is_absent(part):
        return None
    match known.form:
        case Form.DECIMAL:
            return bcd.decimal_text(part, known.decimals, signed=known.signed, at=at)
        case Form.COUNT:
            return bcd.number(part, at=at)
        case Form.MOMENT:
            return bcd.moment(part[4:], part[3::-1])
        case Form.TIME:
            clock = bcd.moment(b"\x00", b"\x01\x01" + part[::-1])
            return clock and clock[11:]
        case _:
            return _hex(part[::-1])


def _di_text(data: bytes) -> str:
    return _hex(data[3::-1])


def _hex(data: bytes) -> str:
    return data.hex().upper()
