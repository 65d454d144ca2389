"""What `sluice decode` says: of real frames what their sources say, of any bytes nothing but a clear reason."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from collectors.wire import cjt188, modbus_rtu
from collectors.wire.cjt188 import Cjt188Cutter
from collectors.wire.describe import cjt188 as describe_cjt188
from collectors.wire.describe import dlt645 as describe_dlt645
from collectors.wire.describe import modbus as describe_modbus
from collectors.wire.dlt645 import READ, encode_frame, encode_read_answer
from collectors.wire.errors import FrameError
from collectors.wire.modbus import encode_read_answer as encode_tcp_answer
from collectors.wire.modbus_rtu import RtuCutter
from infra.cli.app import app

FRAMES = Path(__file__).parents[2] / "fixtures" / "frames" / "described.jsonl"
ROWS: list[dict[str, Any]] = [json.loads(line) for line in FRAMES.read_text("utf-8").splitlines()]
DESCRIBE: dict[str, Callable[[bytes], dict[str, Any]]] = {
    "dlt645": describe_dlt645.describe,
    "cjt188": describe_cjt188.describe,
    "modbus": describe_modbus.describe,
}
ADDRESS = "000000000161"
WATER = "00000805000001"


def named(row: dict[str, Any]) -> str:
    return f"{row['protocol']} {row['frame'][:23]} {row['frame'][-5:]}"


@pytest.mark.parametrize("row", ROWS, ids=named)
def test_a_real_frame_says_what_its_source_says(row: dict[str, Any]) -> None:
    done = CliRunner().invoke(app, ["decode", row["protocol"], *row["frame"].lower().split()])
    if "refused" in row:
        assert (done.exit_code, done.stdout) == (2, "")
        assert row["refused"] in done.stderr
    else:
        assert done.exit_code == 0, done.stderr
        said = json.loads(done.stdout)
        assert {name: said.get(name, "missing") for name in row["says"]} == row["says"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["dlt646", "68"], "not one of dlt645, cjt188, modbus"),
        (["dlt645", "6"], "even number of hexadecimal digits"),
        (["dlt645", "xy"], "even number of hexadecimal digits"),
        (["dlt645", ""], "byte 0: is cut short"),
        (["modbus", "0103000000010000"], "byte 6: CRC is 0000, right is 840A"),
        (["cjt188", "FEFE6810"], "byte 2: is cut short"),
    ],
)
def test_what_is_no_frame_says_why(arguments: list[str], reason: str) -> None:
    done = CliRunner().invoke(app, ["decode", *arguments])
    assert (done.exit_code, done.stdout) == (2, "")
    assert reason in done.stderr


@pytest.mark.parametrize("protocol", DESCRIBE)
@given(st.binary(max_size=60), st.integers(0, 255))
def test_any_bytes_give_an_object_or_a_reason(protocol: str, body: bytes, control: int) -> None:
    framed = {
        "dlt645": encode_frame(ADDRESS, control, body),
        "cjt188": cjt188.encode_frame(0x10, WATER, control, body),
        "modbus": modbus_rtu.encode_frame(1, control, body),
    }[protocol]
    for frame in (body, framed):
        reason = "byte 0"
        try:
            json.dumps(DESCRIBE[protocol](frame))
        except FrameError as error:
            reason = str(error)
        assert reason.startswith("byte ")


def described(di: int, value: str) -> dict[str, Any]:
    return describe_dlt645.describe(encode_read_answer(ADDRESS, di, bytes.fromhex(value)))


def test_signed_absent_and_damaged_values() -> None:
    assert described(0x02030000, "128000")["value"] == "0.8012"
    assert described(0x02030000, "120080")["value"] == "-0.0012"
    assert described(0x02050000, "120080")["value"] == "80.0012", "apparent power has no sign"
    assert described(0x0201FF00, "1423FFFFFFFF")["values"] == ["231.4", None, None]
    assert described(0x00010000, "FFFFFFFF")["value"] is None
    with pytest.raises(FrameError, match="byte 14: 0A000000 is no BCD"):
        described(0x00010000, "0000000A")
    assert described(0x00010000, "000000") == {
        "address": ADDRESS,
        "control": "91",
        "kind": "read answer",
        "di": "00010000",
        "data": "000000",
    }


def test_follow_up_frames_errors_and_prepaid_answers() -> None:
    more = describe_dlt645.describe(encode_frame(ADDRESS, 0xB1, bytes.fromhex("00FF0100" + "78563412")))
    assert more["more"] is True
    follow = describe_dlt645.describe(encode_frame(ADDRESS, 0x92, bytes.fromhex("00000100" + "78563412" + "01")))
    assert (follow["ser"], follow["value"]) == (1, "123456.78")
    refused = describe_dlt645.describe(encode_frame(ADDRESS, 0xC3, bytes.fromhex("2200")))
    assert (refused["err"], refused["error_bits"]) == ("0022", [1, 5])
    assert refused["error"] == "duplicate recharge, recharge count wrong"
    assert described(0x03330201, "1700")["count"] == 17
    assert described(0x05060001, "300009112" + "6")["datetime"] == "2026-11-09 00:30:00"
    assert described(0x04000501, "0C00")["bits"] == [2, 3]
    assert describe_dlt645.describe(b"\xfe" * 4 + encode_frame(ADDRESS, READ, bytes(4)))["kind"] == "read request"


def test_both_orders_of_a_cjt188_identifier_and_a_wrong_clock() -> None:
    for swapped in (False, True):
        told = describe_cjt188.describe(b"\x00\xfe" + cjt188.encode_read(0x10, WATER, 0x901F, 7, swapped=swapped))
        assert (told["di"], told["di_wire"], told["ser"]) == ("901F", "1F90" if swapped else "901F", 7)
    body = "901F00" + "FFFFFFFF2C" + "000000002C" + "99999999999999" + "0301"
    told = describe_cjt188.describe(cjt188.encode_frame(0x10, WATER, 0x81, bytes.fromhex(body)))
    assert (told["cumulative"], told["settlement"], told["datetime"]) == (None, "0.00", None)
    assert (told["st"], told["valve_state"]) == ("0301", "fault")
    valve = cjt188.decode_frame(cjt188.encode_valve(0x10, WATER, 3, cjt188.VALVE_CLOSE))
    assert (valve.di, valve.ser, valve.body) == (0xA017, 3, b"\x99")
    refused = describe_cjt188.describe(cjt188.encode_frame(0x10, WATER, 0xC1, bytes.fromhex("050102")))
    assert (refused["ser"], refused["st"], "di" in refused) == (5, "0102", False)


def test_modbus_envelopes_requests_answers_and_exceptions() -> None:
    tcp = describe_modbus.describe(encode_tcp_answer(9, 17, (1, 0xFFFF)))
    assert (tcp["address"], tcp["registers"], tcp["envelope"]) == (17, [1, 65535], "tcp")
    silent = describe_modbus.describe(modbus_rtu.encode_frame(17, 0x83, b"\x0b"))
    assert (silent["exception"], silent["function"]) == (11, 3)
    write = describe_modbus.describe(modbus_rtu.encode_frame(17, 0x10, bytes.fromhex("00570002" + "04" + "00010001")))
    assert (write["start"], write["count"], write["registers"]) == ("0057", 2, [1, 1])
    with pytest.raises(FrameError, match="byte 2: byte count says 5 bytes, 4 follow"):
        describe_modbus.describe(modbus_rtu.encode_frame(17, 0x03, bytes.fromhex("0500010002")))


@given(st.binary(max_size=20), st.lists(st.binary(max_size=12), min_size=1, max_size=4), st.integers(1, 40))
def test_frames_are_cut_out_of_any_stream(junk: bytes, bodies: list[bytes], step: int) -> None:
    """Each frame is found whatever stands before it, however the stream is cut into reads."""
    water = [cjt188.encode_frame(0x10, WATER, 0x81, body) for body in bodies]
    serial = [modbus_rtu.encode_frame(17, 0x03, bytes([len(body)]) + body) for body in bodies]
    for cutter, frames in ((Cjt188Cutter(), water), (RtuCutter(), serial)):
        stream = junk + b"".join(frames)
        found = [frame for at in range(0, len(stream), step) for frame in cutter.feed(stream[at : at + step])]
        # Junk may happen to be a frame of its own, and hide what it spans.
        assert set(frames) <= set(found) or set(found) - set(frames)
