"""A CJ/T188 frame in words and numbers."""

from typing import Any

from collectors.wire import bcd
from collectors.wire.cjt188 import (
    ANSWER,
    READING,
    VALVE,
    VALVE_CLOSE,
    VALVE_OPEN,
    Cjt188Frame,
    decode_frame,
    strip_junk,
)

_BODY_AT = 14
_VALVE = {0b00: "open", 0b01: "closed", 0b10: "unknown", 0b11: "fault"}
_ORDERS = {VALVE_OPEN: "open", VALVE_CLOSE: "close"}
_UNITS = {
    0x01: "J",
    0x02: "Wh",
    0x05: "kWh",
    0x08: "MWh",
    0x0A: "100 MWh",
    0x0B: "kJ",
    0x0E: "MJ",
    0x11: "GJ",
    0x13: "100 GJ",
    0x14: "W",
    0x17: "kW",
    0x1A: "MW",
    0x29: "L",
    0x2C: "m3",
    0x32: "L/h",
    0x35: "m3/h",
}
"""Of these only 2C, 05, 17 and 35 were seen in frames."""
_WATER_BYTES, _HEAT_BYTES, _VOLUME_BYTES = 19, 43, 5
_HEAT = (("settlement_heat", 2), ("heat", 2), ("power", 2), ("flow", 4), ("volume", 2))
_SUFFIXES = {"kWh": "_kWh", "kW": "_kW", "m3/h": "_m3h", "m3": "_m3"}


def describe(frame: bytes) -> dict[str, Any]:
    """One frame, maybe behind its preamble, as JSON-like values.

    Raises:
        FrameError: It is no valid CJ/T188 frame, or a value in it is no BCD.
    """
    taken = decode_frame(strip_junk(frame))
    told: dict[str, Any] = {
        "address": taken.address,
        "control": f"{taken.control:02X}",
        "type": f"{taken.meter_type:02X}",
    }
    if taken.di is not None:
        told |= {"di": f"{taken.di:04X}", "di_wire": taken.data[:2].hex().upper()}
    if taken.ser is not None:
        told["ser"] = taken.ser
    if taken.abnormal:
        return {**told, "kind": "refused", **_status(taken.body)}
    return {**told, **(_answer(taken) if taken.control & ANSWER else _request(taken))}


def _request(taken: Cjt188Frame) -> dict[str, Any]:
    if taken.di == VALVE and len(taken.body) == 1:
        return {"kind": "valve control", "valve": _ORDERS.get(taken.body[0], f"{taken.body[0]:02X}")}
    return _data(taken.body)


def _answer(taken: Cjt188Frame) -> dict[str, Any]:
    body = taken.body
    if taken.di == VALVE and len(body) == 2:
        status = _status(body)
        return {"kind": "valve reply", "valve": status["valve_state"], **status}
    if taken.di == READING and len(body) == _WATER_BYTES:
        volume, settlement = _amount(body[:5], 2, _BODY_AT), _amount(body[5:10], 2, _BODY_AT + 5)
        return {
            "kind": "reading",
            "cumulative": volume[0],
            "unit": volume[1],
            "settlement": settlement[0],
            "datetime": _clock(body[10:17]),
            **_status(body[17:]),
        }
    if taken.di == READING and len(body) == _HEAT_BYTES:
        return {"kind": "heat reading", **_heat(body)}
    if taken.di is not None and taken.di >> 8 == 0xD1 and len(body) == _VOLUME_BYTES:
        value, unit = _amount(body, 2, _BODY_AT)
        return {"kind": "month history", "value": value, "unit": unit}
    return _data(body)


def _heat(body: bytes) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for place, (name, decimals) in enumerate(_HEAT):
        value, unit = _amount(body[5 * place : 5 * place + 5], decimals, _BODY_AT + 5 * place)
        told[name + _SUFFIXES.get(unit, "")] = value
        if name in ("heat", "settlement_heat"):
            told["cumulative" if name == "heat" else "settlement"] = value
            told["unit"] = unit
    for place, name in ((25, "supply_C"), (28, "return_C")):
        told[name] = bcd.decimal_text(body[place : place + 3], 2, at=_BODY_AT + place)
    told["hours"] = bcd.number(body[31:34], at=_BODY_AT + 31)
    return {**told, "datetime": _clock(body[34:41]), **_status(body[41:])}


def _amount(field: bytes, decimals: int, at: int) -> tuple[str | None, str]:
    """A value of four bytes and its unit."""
    return bcd.decimal_text(field[:4], decimals, at=at), _UNITS.get(field[4], f"{field[4]:02X}")


def _clock(field: bytes) -> str | None:
    """ss mm hh DD MM YY CC; meters whose clock is not set must not lose their reading by it."""
    return bcd.moment(field[6:4:-1], field[4::-1])


def _status(field: bytes) -> dict[str, Any]:
    """ST: its lowest two bits tell the valve, the third a low battery; the others are the makers' own."""
    if len(field) < 2:
        return {}
    return {
        "st": field[:2].hex().upper(),
        "valve_state": _VALVE[field[0] & 0b11],
        "battery_low": bool(field[0] & 0b100),
    }


def _data(body: bytes) -> dict[str, Any]:
    return {"data": body.hex().upper()} if body else {}
