"""What a CJ/T188 water meter with a valve answers to a request, without the frame around it."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from collectors.wire.cjt188 import (
    ABNORMAL,
    ANSWER,
    READ,
    READ_ADDRESS,
    READING,
    VALVE,
    VALVE_CLOSE,
    VALVE_OPEN,
    WRITE,
    Cjt188Frame,
)
from infra.fleet.load import LOCAL_OFFSET_MS
from infra.fleet.meter import DISPLAY_STEP_WH, Control, Meter

METER_TYPE = 0x10
"""Cold drinking water."""
_CUBIC_METRES = 0x2C
"""Unit of a volume: m3, with two decimals."""
_CLOSED = 0x01
"""Bits 0 and 1 of ST are the valve's: 00 open, 01 closed."""
_NOT_UNDERSTOOD = b"\x00\x00"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer's control code and data; `control` is what the meter's control becomes, None if it stays."""

    code: int
    data: bytes
    control: Control | None = None


def answer(meter: Meter, at_ms: int, asked: Cjt188Frame) -> Answer | None:
    """Answer a request that was addressed to this meter, as it stands at `at_ms`.

    Returns:
        The answer, abnormal where the meter refuses; None for what no meter answers.
    """
    if asked.control & ANSWER or asked.ser is None:
        return None
    head = asked.data[:3]
    if asked.control == READ and asked.di == READING:
        return Answer(READ | ANSWER, head + _reading(meter, at_ms))
    if asked.control == READ_ADDRESS:
        return Answer(READ_ADDRESS | ANSWER, head)
    if asked.control == WRITE and asked.di == VALVE and asked.body in (bytes([VALVE_CLOSE]), bytes([VALVE_OPEN])):
        closes = asked.body[0] == VALVE_CLOSE
        # The valve has yet to move: the status in the answer is that of before.
        status = _status(meter)
        return Answer(WRITE | ANSWER, head + status, replace(meter.control, is_open=closes, trip_ordered=closes))
    return Answer(asked.control | ANSWER | ABNORMAL, bytes([asked.ser]) + _NOT_UNDERSTOOD)


def _reading(meter: Meter, at_ms: int) -> bytes:
    """Running total, settlement volume, clock, ST."""
    total = _bcd(meter.shown_wh(at_ms) // DISPLAY_STEP_WH, 4) + bytes([_CUBIC_METRES])
    settled = bytes(4) + bytes([_CUBIC_METRES])
    return total + settled + _clock(meter.clock_ms(at_ms)) + _status(meter)


def _clock(at_ms: int) -> bytes:
    """Second, minute, hour, day, month and the year in two bytes, low byte first."""
    local = datetime.fromtimestamp((at_ms + LOCAL_OFFSET_MS) // 1000, UTC)
    parts = (local.second, local.minute, local.hour, local.day, local.month)
    return b"".join(_bcd(part, 1) for part in parts) + _bcd(local.year, 2)


def _status(meter: Meter) -> bytes:
    return bytes([_CLOSED if meter.control.is_open else 0, 0])


def _bcd(value: int, size: int) -> bytes:
    """Write a whole number as BCD, low byte first, wrapping at the size as registers do."""
    return bytes.fromhex(f"{value % 100**size:0{2 * size}d}")[::-1]
