"""Clocks of meters: read from frames, and when they are set."""

from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.gateways.clock_book import ClockBook
from collectors.gateways.clock_care import SET_MAX_MS, TOLERATED_MS, ClockCare
from collectors.gateways.zone import METER_ZONE
from collectors.registry import GatewayPlan, MeterOnLine
from collectors.wire import cjt188, dlt645
from collectors.wire.clock import cjt188_clock, dlt645_clock, read_clock
from collectors.wire.errors import FrameError
from collectors.wire.templates import TEMPLATES

POWER, WATER = TEMPLATES["dlt645-2007"], TEMPLATES["cjt188-water"]
TIME, DATE = 0x0400_0102, 0x0400_0101
NOON_MS = 1_772_424_000_000
"""2026-03-02T12:00:00+08:00."""
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
WEEKDAY = b"\x01"


def power_answers(clock: bytes, address: str = "000000000161") -> tuple[bytes, bytes]:
    """From `ss mm hh DD MM YY`."""
    time = dlt645.encode_read_answer(address, TIME, clock[:3])
    return time, dlt645.encode_read_answer(address, DATE, WEEKDAY + clock[3:])


def water_answer(clock: bytes) -> tuple[bytes, ...]:
    body = bytes(4) + b"\x2c" + bytes(4) + b"\x2c" + clock + bytes(2)
    return (cjt188.encode_frame(0x10, "00000000000021", 0x81, b"\x90\x1f\x01" + body),)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31, 23, 59, 59)))  # noqa: DTZ001 a meter's own clock
def test_what_is_written_is_read(moment: datetime) -> None:
    whole = moment.replace(microsecond=0)
    assert read_clock(power_answers(dlt645_clock(whole)), POWER, 161) == whole
    assert read_clock(water_answer(cjt188_clock(whole)), WATER, 21) == whole


@pytest.mark.parametrize("clock", ["00 00 00 00 00 00", "00 00 00 31 02 26", "61 00 00 01 01 26", "ff ff ff ff ff ff"])
def test_what_is_no_time_is_none(clock: str) -> None:
    digits = bytes.fromhex(clock)
    assert read_clock(power_answers(digits), POWER, 161) is None
    assert read_clock(water_answer(digits + b"\x20"), WATER, 21) is None


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param(power_answers(bytes(6), "000000000162"), id="another meter"),
        pytest.param(power_answers(bytes(6))[::-1], id="the date for the time"),
        pytest.param((b"\x68", b""), id="no frame"),
        pytest.param((dlt645.encode_frame("000000000161", 0xD1, b"\x02"),) * 2, id="a refusal"),
        pytest.param((dlt645.encode_read_answer("000000000161", TIME, bytes(4)),) * 2, id="a byte too many"),
    ],
)
def test_what_is_no_answer_is_refused(answers: tuple[bytes, ...]) -> None:
    with pytest.raises(FrameError):
        read_clock(answers, POWER, 161)


def test_the_public_broadcast_frame_is_made() -> None:
    moment = datetime(2017, 6, 5, 10, 22, 51)  # noqa: DTZ001 a meter's own clock
    frame = "68 99 99 99 99 99 99 68 08 06 84 55 43 38 39 4A 4B 16"
    assert dlt645.encode_time(dlt645_clock(moment)).hex(" ").upper() == frame


METERS = tuple(MeterOnLine(f"M{number}", number, POWER) for number in (1, 2, 3))
PLAN = GatewayPlan("S1", "G1", "dial-in", "", 0, "G1", METERS)


@pytest.fixture
def book(tmp_path: Path) -> ClockBook:
    return ClockBook(tmp_path / "clocks.sqlite")


def noted(care: ClockCare, off_ms: int, *, at_ms: int = NOON_MS, meter: MeterOnLine = METERS[0]) -> None:
    shown_ms = at_ms + off_ms - 500
    care.note(meter, datetime.fromtimestamp(shown_ms / 1000, METER_ZONE).replace(tzinfo=None), at_ms=at_ms)


@pytest.mark.parametrize(
    ("off_ms", "is_set"),
    [
        (0, False),
        (TOLERATED_MS, False),
        (TOLERATED_MS + 1, True),
        (-TOLERATED_MS - 1, True),
        (SET_MAX_MS, True),
        (SET_MAX_MS + 1, False),
        (-DAY_MS, False),
    ],
)
def test_a_clock_is_set_that_is_off_but_not_by_too_much(book: ClockBook, off_ms: int, is_set: bool) -> None:
    care = ClockCare(PLAN, book)
    noted(care, off_ms)
    assert care.to_set(METERS, NOON_MS) == ([METERS[0]] if is_set else [])


def test_one_that_shows_no_time_is_not_set(book: ClockBook) -> None:
    care = ClockCare(PLAN, book)
    assert care.note(METERS[0], None, at_ms=NOON_MS) is None
    assert care.to_set(METERS, NOON_MS) == []


@pytest.mark.parametrize(
    ("since_midnight_ms", "is_set"),
    [(0, False), (10 * MINUTE_MS - 1, False), (10 * MINUTE_MS, True), (DAY_MS - 10 * MINUTE_MS, False)],
)
def test_not_around_midnight(book: ClockBook, since_midnight_ms: int, is_set: bool) -> None:
    at_ms = NOON_MS - 12 * HOUR_MS + since_midnight_ms
    care = ClockCare(PLAN, book)
    noted(care, MINUTE_MS, at_ms=at_ms)
    assert bool(care.to_set(METERS, at_ms)) == is_set


def test_once_a_day_also_across_a_restart(book: ClockBook) -> None:
    care = ClockCare(PLAN, book)
    noted(care, MINUTE_MS)
    care.keep()
    care.note_set([METERS[0]], NOON_MS)
    noted(care, MINUTE_MS, at_ms=NOON_MS + HOUR_MS)
    assert care.to_set(METERS, NOON_MS + HOUR_MS) == []
    care.keep()
    again = ClockCare(PLAN, book)
    noted(again, MINUTE_MS, at_ms=NOON_MS + 2 * HOUR_MS)
    assert again.to_set(METERS, NOON_MS + 2 * HOUR_MS) == []
    assert again.to_set(METERS, NOON_MS + DAY_MS) == [METERS[0]]
    (kept,) = book.all()
    assert (kept.meter, kept.drift_ms, kept.set_ms) == ("M1", MINUTE_MS, NOON_MS)
