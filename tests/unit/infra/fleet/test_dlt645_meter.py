from dataclasses import replace

import pytest

from infra.fleet.dlt645_meter import Answer, answer
from infra.fleet.load import ConstantLoad
from infra.fleet.meter import Control, ControlChange, Meter

from .samples import HOUR_MS, ORIGIN_MS, meter_of

ADDRESS = "202600010001"


def meter_645(*, phases: int = 1, power_w: int = 3_000, initial_wh: int = 1_234_560) -> Meter:
    return meter_of(
        load=ConstantLoad(power_w),
        template="dlt645-2007",
        address=ADDRESS,
        phases=phases,
        initial_wh=initial_wh,
    )


def read(meter: Meter, identifier: int, at_ms: int = ORIGIN_MS) -> str:
    request = identifier.to_bytes(4, "little")
    found = answer(meter, at_ms, code=0x11, data=request)
    assert found is not None
    assert found.code == 0x91
    assert found.data[:4] == request
    return found.data[4:].hex(" ")


def relay(command: int, *, deadline: str = "00 00 00 30 12 99", password: str = "02 00 00 00") -> bytes:
    return bytes.fromhex(f"{password} 01 00 00 00 {command:02X} 00 {deadline}")


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [
        pytest.param(0x00010000, "56 34 12 00", id="forward active"),
        pytest.param(0x00000000, "56 34 12 00", id="combined"),
        pytest.param(0x0001FF00, "56 34 12 00 00 00 00 00 00 00 00 00 56 34 12 00 00 00 00 00", id="block"),
        pytest.param(0x02030000, "00 00 03", id="3.0000 kW"),
        pytest.param(0x02800002, "00 50", id="50.00 Hz"),
        pytest.param(0x04000101, "01 02 03 26", id="Monday 2026-03-02"),
        pytest.param(0x04000102, "00 00 08", id="08:00:00"),
        pytest.param(0x04000401, "01 00 01 00 26 20", id="address"),
        pytest.param(0x04000503, "00 00", id="status word 3"),
        pytest.param(0x1D000001, "00 00 00", id="trips"),
    ],
)
def test_reads(identifier: int, expected: str) -> None:
    assert read(meter_645(initial_wh=1_234_560), identifier) == expected


def test_the_register_shows_eight_digits() -> None:
    meter = meter_645(initial_wh=999_999_990)
    assert read(meter, 0x00010000) == "99 99 99 99"
    assert read(meter, 0x00010000, ORIGIN_MS + 12_000) == "00 00 00 00"


def test_a_single_phase_meter_has_no_other_phases() -> None:
    voltages = read(meter_645(), 0x0201FF00)
    assert voltages.endswith("ff ff ff ff")
    assert read(meter_645(), 0x02010100) == voltages[:5]
    assert read(meter_645(), 0x02020200) == "ff ff ff"


def test_three_phases_share_the_load() -> None:
    meter = meter_645(phases=3, power_w=9_000)
    currents = [read(meter, 0x02020000 | phase << 8) for phase in (1, 2, 3)]
    assert read(meter, 0x0202FF00) == " ".join(currents)
    amperes = [int(bytes.fromhex(current)[::-1].hex()) / 1000 for current in currents]
    assert all(12 < current < 16 for current in amperes)


@pytest.mark.parametrize(
    ("code", "data", "expected"),
    [
        pytest.param(0x11, "00 00 00 99", Answer(0xD1, b"\x02"), id="unknown identifier"),
        pytest.param(0x11, "00 00", Answer(0xD1, b"\x01"), id="short read"),
        pytest.param(0x13, "", Answer(0x93, bytes.fromhex("01 00 01 00 26 20")), id="read address"),
        pytest.param(0x14, "00" * 16, Answer(0xD4, b"\x01"), id="write is not taken"),
        pytest.param(0x1C, "00" * 4, Answer(0xDC, b"\x01"), id="short relay command"),
        pytest.param(0x08, "00" * 6, None, id="broadcast time"),
        pytest.param(0x01, "10 90", None, id="a request of 1997"),
        pytest.param(0x91, "00 00 01 00 00 00 00 00", None, id="another meter's answer"),
    ],
)
def test_other_requests(code: int, data: str, expected: Answer | None) -> None:
    assert answer(meter_645(), ORIGIN_MS, code=code, data=bytes.fromhex(data)) == expected


OPEN = Control(is_open=True, trip_ordered=True)
RETAINED = Control(retained=True)


@pytest.mark.parametrize(
    ("before", "command", "after"),
    [
        pytest.param(Control(), 0x1A, OPEN, id="trip"),
        pytest.param(OPEN, 0x1C, Control(), id="close"),
        pytest.param(OPEN, 0x1B, Control(), id="allow closing: the tenant presses the key"),
        pytest.param(OPEN, 0x3A, RETAINED, id="power-keep closes"),
        pytest.param(RETAINED, 0x3B, Control(), id="end of power-keep"),
        pytest.param(replace(OPEN, retained=True), 0x3B, OPEN, id="end of power-keep leaves the relay"),
    ],
)
def test_relay_commands(before: Control, command: int, after: Control) -> None:
    meter = meter_645()
    if before != Control():
        meter.apply(ControlChange(ORIGIN_MS, before))
    assert answer(meter, ORIGIN_MS, code=0x1C, data=relay(command)) == Answer(0x9C, b"", after)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        pytest.param(relay(0x1A, deadline="59 59 07 02 03 26"), 0x01, id="deadline passed a second ago"),
        pytest.param(relay(0x1A, deadline="00 00 08 31 02 26"), 0x01, id="deadline is no day"),
        pytest.param(relay(0x1A, deadline="00 00 AA 02 03 26"), 0x01, id="deadline is no BCD"),
        pytest.param(relay(0x1A, password="02 00 00 01"), 0x04, id="wrong password"),
        pytest.param(relay(0x1A, password="98 00 00 00"), 0x04, id="ciphered level"),
        pytest.param(relay(0x77), 0x01, id="unknown command"),
    ],
)
def test_refused_relay_commands(data: bytes, error: int) -> None:
    assert answer(meter_645(), ORIGIN_MS, code=0x1C, data=data) == Answer(0xDC, bytes([error]))


def test_a_trip_at_its_deadline_counts() -> None:
    found = answer(meter_645(), ORIGIN_MS, code=0x1C, data=relay(0x1A, deadline="00 00 08 02 03 26"))
    assert found == Answer(0x9C, b"", OPEN)


def test_a_trip_under_power_keep_is_refused() -> None:
    meter = meter_645()
    meter.apply(ControlChange(ORIGIN_MS, RETAINED))
    assert answer(meter, ORIGIN_MS, code=0x1C, data=relay(0x1A)) == Answer(0xDC, b"\x01")


def test_status_word_3_shows_relay_order_and_power_keep() -> None:
    meter = meter_645()
    meter.apply(ControlChange(ORIGIN_MS, OPEN))
    assert read(meter, 0x04000503, ORIGIN_MS + HOUR_MS) == "50 00"
    assert read(meter, 0x1D000001) == "01 00 00"
    meter.apply(ControlChange(ORIGIN_MS + HOUR_MS, RETAINED))
    assert read(meter, 0x04000503, ORIGIN_MS + HOUR_MS) == "00 10"
    assert read(meter, 0x040005FF) == "00 00 00 00 00 10 00 00 00 00 00 00 00 00"
    assert read(meter, 0x1E000001) == "01 00 00"
