"""A Modbus frame, RTU or TCP, request or answer, in words and numbers."""

from typing import Any

from collectors.wire import modbus, modbus_rtu
from collectors.wire.errors import FrameError

_MBAP = 7
_READS = {0x03: "read holding registers", 0x04: "read input registers"}
_BIT_READS = {0x01: "read coils", 0x02: "read discrete inputs"}
_EXCEPTIONS = {
    0x01: "illegal function",
    0x02: "illegal address",
    0x03: "illegal value",
    0x04: "device failure",
    0x05: "acknowledged",
    0x06: "busy",
    0x08: "memory parity",
    0x0A: "gateway has no path",
    0x0B: "the meter behind the gateway does not answer",
}


def describe(frame: bytes) -> dict[str, Any]:
    """One frame as JSON-like values; its envelope tells RTU (CRC) from TCP (MBAP).

    Raises:
        FrameError: It is neither, or its PDU is not what its function needs.
    """
    is_tcp = len(frame) > _MBAP and frame[2:4] == b"\0\0" and int.from_bytes(frame[4:6]) == len(frame) - 6
    told: dict[str, Any] = {}
    if is_tcp:
        taken = modbus.decode_frame(frame)
        unit, function, data, at = taken.unit, taken.function, taken.data, _MBAP + 1
        told["transaction"] = taken.transaction
    else:
        rtu = modbus_rtu.decode_frame(frame)
        unit, function, data, at = rtu.unit, rtu.function, rtu.data, 2
    told |= {"address": unit, "function": function & 0x7F, "envelope": "tcp" if is_tcp else "rtu"}
    if function & 0x80:
        if len(data) != 1:
            raise FrameError(at, "an exception has one byte")
        return {**told, "kind": "exception", "exception": data[0], "error": _EXCEPTIONS.get(data[0], "unknown")}
    return {**told, **_pdu(function, data, at)}


def _pdu(function: int, data: bytes, at: int) -> dict[str, Any]:
    if function in _READS or function in _BIT_READS:
        kind = (_READS | _BIT_READS)[function]
        # A request has four bytes; an answer of four would have an odd count of bytes for its registers.
        if len(data) == 4 and not (function in _BIT_READS and data[0] == 3):
            return {"kind": f"{kind} request", "start": _text(data[:2]), "count": int.from_bytes(data[2:])}
        _check_count(data, at)
        if function in _BIT_READS:
            return {"kind": f"{kind} answer", "data": data[1:].hex().upper()}
        return {"kind": f"{kind} answer", "registers": _words(data[1:], at + 1)}
    if function == 0x10:
        if len(data) == 4:
            return {"kind": "write registers answer", "start": _text(data[:2]), "count": int.from_bytes(data[2:])}
        if len(data) < 5:
            raise FrameError(at + len(data), "is cut short: start, count, byte count and words are needed")
        _check_count(data[4:], at + 4)
        words = _words(data[5:], at + 5)
        if len(words) != int.from_bytes(data[2:4]):
            raise FrameError(at + 2, f"count says {int.from_bytes(data[2:4])} registers, {len(words)} are there")
        return {"kind": "write registers request", "start": _text(data[:2]), "count": len(words), "registers": words}
    if function in (0x05, 0x06) and len(data) == 4:
        kind = "write coil" if function == 0x05 else "write register"
        return {"kind": kind, "start": _text(data[:2]), "registers": [int.from_bytes(data[2:])]}
    return {"kind": "unknown", "data": data.hex().upper()}


def _check_count(data: bytes, at: int) -> None:
    if not data or data[0] != len(data) - 1:
        raise FrameError(at, f"byte count says {data[0] if data else 0} bytes, {max(0, len(data) - 1)} follow")


def _words(data: bytes, at: int) -> list[int]:
    if len(data) % 2:
        raise FrameError(at, f"{len(data)} bytes are no whole registers")
    return [int.from_bytes(data[place : place + 2]) for place in range(0, len(data), 2)]


def _text(register: bytes) -> str:
    return register.hex().upper()
