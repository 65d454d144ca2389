"""What a DL/T645-2007 meter answers to a request, without the frame around it.

Requests and answers are a control code and data bytes as they are before the line's +33 offset. The meter
knows the data identifiers of `_READS`, takes the relay commands of control code 1C and sets its clock by broadcasts.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from collectors.wire.dlt645 import ABNORMAL, ANSWER, READ, READ_ADDRESS, RELAY, MeterError
from infra.fleet.load import LOCAL_OFFSET_MS
from infra.fleet.meter import DISPLAY_STEP_WH, Control, Meter
from infra.fleet.wiring import Measures, measure

PASSWORD = bytes(3)
"""The factory's: 000000, at any level but the ciphered ones."""
_CIPHERED_LEVELS = frozenset({0x98, 0x99})

_SET_MAX_MS = 300_000
"""A broadcast moves a clock by no more."""

TRIP = 0x1A
ALLOW_CLOSING = 0x1B
CLOSE = 0x1C
RETAIN = 0x3A
RELEASE = 0x3B


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer's control code and data; `control` is what the meter's control becomes, None if it stays."""

    code: int
    data: bytes
    control: Control | None = None


def answer(meter: Meter, at_ms: int, *, code: int, data: bytes) -> Answer | None:
    """Answer a request that was addressed to this meter, as it stands at `at_ms`.

    Returns:
        The answer, abnormal where the meter refuses; None for what no meter answers (broadcasts, answers of
        other meters heard on the line, requests of DL/T645-1997).
    """
    if code == READ:
        return _answer_read(meter, at_ms, data)
    if code == RELAY:
        return _answer_relay(meter, at_ms, data)
    if code == READ_ADDRESS:
        return Answer(READ_ADDRESS | ANSWER, _address(meter))
    if code & ANSWER or code < READ:
        return None
    return _refusal(code, MeterError.OTHER)


def hear_time(meter: Meter, at_ms: int, data: bytes) -> None:
    """Set the clock by a broadcast of the time, as far as meters do: by five minutes at most, and once a day.

    Args:
        data: `ss mm hh DD MM YY`, local.
    """
    told_ms = _moment_ms(data) if len(data) == 6 else None
    is_near = told_ms is not None and abs(told_ms - meter.clock_ms(at_ms)) <= _SET_MAX_MS
    if told_ms is not None and is_near and not meter.was_set_on(at_ms):
        meter.set_clock(told_ms, at_ms=at_ms)


def _refusal(code: int, error: MeterError) -> Answer:
    return Answer(code | ANSWER | ABNORMAL, bytes([error]))


def _answer_read(meter: Meter, at_ms: int, data: bytes) -> Answer:
    if len(data) < 4:
        return _refusal(READ, MeterError.OTHER)
    identifier = int.from_bytes(data[:4], "little")
    read = _READS.get(identifier)
    if read is None:
        return _refusal(READ, MeterError.NO_DATA)
    return Answer(READ | ANSWER, data[:4] + read(meter, at_ms))


def _answer_relay(meter: Meter, at_ms: int, data: bytes) -> Answer:
    """Take a relay command: `PA P0 P1 P2 | C0..C3 | N1 | N2 | ss mm hh DD MM YY`."""
    if len(data) != 16:
        return _refusal(RELAY, MeterError.OTHER)
    if data[0] in _CIPHERED_LEVELS or data[1:4] != PASSWORD:
        return _refusal(RELAY, MeterError.NOT_AUTHORISED)
    control = _control_after(meter.control, data[8])
    deadline_ms = _moment_ms(data[10:16])
    if control is None or deadline_ms is None or at_ms > deadline_ms:
        return _refusal(RELAY, MeterError.OTHER)
    return Answer(RELAY | ANSWER, b"", control)


def _control_after(control: Control, command: int) -> Control | None:
    """Tell what a command makes of a control; None if the meter does not take it.

    After "allow closing" somebody has to press a key; the virtual tenant stands at the meter and presses it
    at once. A trip under power-keep is refused (meters differ in this).
    """
    if command == TRIP and not control.retained:
        return replace(control, is_open=True, trip_ordered=True)
    if command in (CLOSE, ALLOW_CLOSING):
        return replace(control, is_open=False, trip_ordered=False)
    if command == RETAIN:
        return replace(control, is_open=False, trip_ordered=False, retained=True)
    if command == RELEASE:
        return replace(control, retained=False)
    return None


def _moment_ms(field: bytes) -> int | None:
    """Read `ss mm hh DD MM YY` (local) as ms since 1970 UTC; None if it is no time."""
    digits = field.hex()
    if not digits.isdecimal():
        return None
    second, minute, hour, day, month, year = (int(digits[index : index + 2]) for index in range(0, 12, 2))
    try:
        local = datetime(2000 + year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return int(local.timestamp()) * 1000 - LOCAL_OFFSET_MS


def _bcd(value: int, size: int) -> bytes:
    """Write a whole number as BCD, low byte first, wrapping at the size as registers do.

    >>> _bcd(123456, 4).hex(" ")
    '56 34 12 00'
    """
    return bytes.fromhex(f"{value % 100**size:0{2 * size}d}")[::-1]


def _address(meter: Meter) -> bytes:
    return _bcd(int(meter.spec.address), 6)


def _local(at_ms: int) -> datetime:
    return datetime.fromtimestamp((at_ms + LOCAL_OFFSET_MS) // 1000, UTC)


def _date(meter: Meter, at_ms: int) -> bytes:
    local = _local(meter.clock_ms(at_ms))
    return b"".join(_bcd(n, 1) for n in (local.isoweekday() % 7, local.day, local.month, local.year))


def _time(meter: Meter, at_ms: int) -> bytes:
    local = _local(meter.clock_ms(at_ms))
    return b"".join(_bcd(n, 1) for n in (local.second, local.minute, local.hour))


def _energy(meter: Meter, at_ms: int) -> bytes:
    return _bcd(meter.shown_wh(at_ms) // DISPLAY_STEP_WH, 4)


def _energy_block(meter: Meter, at_ms: int) -> bytes:
    """Give total, sharp, peak, flat, valley: a meter of one rate counts all as flat."""
    total, none = _energy(meter, at_ms), bytes(4)
    return total + none + none + total + none


def _status_word_3(meter: Meter) -> int:
    control = meter.control
    return control.is_open << 4 | control.trip_ordered << 6 | control.retained << 12


def _status_words(meter: Meter, _at_ms: int) -> bytes:
    return b"".join(word.to_bytes(2, "little") for word in (0, 0, _status_word_3(meter), 0, 0, 0, 0))


def _per_phase(values: tuple[int, ...], size: int) -> bytes:
    """Write a value for each of three phases; a phase that the meter does not have reads FF."""
    found = b"".join(_bcd(value, size) for value in values)
    return found.ljust(3 * size, b"\xff")


def _voltages(found: Measures) -> bytes:
    return _per_phase(found.voltages_dv, 2)


def _currents(found: Measures) -> bytes:
    return _per_phase(found.currents_ma, 3)


def _power(found: Measures) -> bytes:
    return _bcd(found.active_mw // 100, 3)


_Read = Callable[[Meter, int], bytes]


def _measured(write: Callable[[Measures], bytes], start: int = 0, end: int | None = None) -> _Read:
    """Make a read of a measured quantity, or of some bytes of it."""
    return lambda meter, at_ms: write(measure(meter, at_ms))[start:end]


def _constant(value: bytes) -> _Read:
    return lambda _meter, _at_ms: value


def _reads() -> dict[int, _Read]:
    reads: dict[int, _Read] = {
        0x00000000: _energy,
        0x00010000: _energy,
        0x0001FF00: _energy_block,
        0x00010100: _constant(bytes(4)),
        0x00010200: _constant(bytes(4)),
        0x00010300: _energy,
        0x00010400: _constant(bytes(4)),
        0x0201FF00: _measured(_voltages),
        0x0202FF00: _measured(_currents),
        0x02030000: _measured(_power),
        0x02060000: _measured(lambda found: _bcd(found.factor_per_mille, 2)),
        0x02800002: _constant(_bcd(5000, 2)),
        0x03300D00: _constant(bytes(3)),
        0x04000101: _date,
        0x04000102: _time,
        0x04000401: lambda meter, _at_ms: _address(meter),
        0x04000402: lambda meter, _at_ms: _address(meter),
        0x040005FF: _status_words,
        0x1D000001: lambda meter, _at_ms: _bcd(meter.trips, 3),
        0x1E000001: lambda meter, _at_ms: _bcd(meter.closes, 3),
    }
    for phase in range(3):
        place = (phase + 1) << 8
        reads[0x02010000 | place] = _measured(_voltages, 2 * phase, 2 * phase + 2)
        reads[0x02020000 | place] = _measured(_currents, 3 * phase, 3 * phase + 3)
    for number in range(7):
        reads[0x04000501 + number] = _status_word(number)
    return reads


def _status_word(number: int) -> _Read:
    return lambda meter, at_ms: _status_words(meter, at_ms)[2 * number : 2 * number + 2]


_READS = _reads()
