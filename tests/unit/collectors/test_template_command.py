"""`sluice template check`: every fault of a file with its line and field, and exit status 2."""

from importlib.resources import files
from pathlib import Path

import pytest
from typer.testing import CliRunner

from infra.cli.app import app

SHIPPED = Path(str(files("collectors.wire") / "templates"))
TEMPLATES = sorted(SHIPPED.glob("*.toml"))

MODBUS = (SHIPPED / "ddsy1352.toml").read_text("utf-8")
DLT645 = (SHIPPED / "dlt645-2007.toml").read_text("utf-8")
CJT188 = (SHIPPED / "cjt188-water.toml").read_text("utf-8")
OWN = (SHIPPED / "dtsy1352-dlt645.toml").read_text("utf-8")
OWN_MODBUS = (SHIPPED / "dtsy1352-credit.toml").read_text("utf-8")
WATER_CREDIT = CJT188 + "[remaining]\nstart = 0x8105\nlength = 18\nat = 9\nwords = 4\nscale = 10_000_000\n"


def check(path: Path) -> tuple[int, str]:
    ended = CliRunner().invoke(app, ["template", "check", str(path)])
    return ended.exit_code, ended.output


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_all_that_come_with_sluice_are_good(path: Path) -> None:
    assert check(path) == (0, f"{path}: good\n")


def test_all_faults_are_told_at_once_with_line_and_field(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    text = (
        MODBUS.replace("words = 2", "words = 0").replace("scale = 10", 'scale = "10"').replace("[1, 1]", "[1, 70000]")
    )
    path.write_text(text.replace("high_word_first", "low_word_first"))
    status, told = check(path)
    assert status == 2
    assert told.splitlines() == [
        f"{path}:7: energy.words is 0, not a whole number from 1 to 4",
        f"{path}:8: energy.scale is '10', not a whole number from 1 to 9223372036854775807",
        f"{path}:9: energy.low_word_first is not known here",
        f"{path}:13: relay.words is 0, not a whole number from 1 to 123",
        f"{path}:14: relay.off is 70000, not a whole number from 0 to 65535",
    ]


@pytest.mark.parametrize(
    ("text", "old", "new", "said"),
    [
        pytest.param(MODBUS, 'meter = "', 'name = "', "1: meter is missing", id="missing"),
        pytest.param(MODBUS, 'protocol = "modbus"', "", "1: protocol is missing", id="no protocol"),
        pytest.param(MODBUS, '"modbus"', '"modbus-tcp"', "protocol 'modbus-tcp' is not known", id="a link"),
        pytest.param(
            MODBUS, "words = 2\nscale = 10", "words = 4\nscale = 100_000", "7: energy.words with its", id="64 bits"
        ),
        pytest.param(MODBUS, "scale = 10", "scale = 10\ncounts = 1\nfunction = 5", "function is 5", id="function"),
        pytest.param(MODBUS, "words = 2\nscale = 10", "words = 3\nscale = 10\ncounts = 1", "energy.words is 2", id="3"),
        pytest.param(MODBUS, "off = [1, 1]", "off = [1]", "14: relay.off has 1 words, `words` says 2", id="words"),
        pytest.param(MODBUS, "off = [1, 1]", "off = [1, 0]", "relay.off is the same as `on`", id="on and off"),
        pytest.param(MODBUS, "automatic = 0", "automatic = 1", "16: relay.automatic is the first word", id="automatic"),
        pytest.param(MODBUS, "[relay]", "[valve]", "valve is not known here", id="section"),
        pytest.param(MODBUS, "[energy]", "[[energy]]", "energy is no table", id="list of sections"),
        pytest.param(MODBUS, "[relay]", "[relay", "is no TOML", id="no TOML"),
        pytest.param(DLT645, "off_bit = 4", "off_bit = 16", "13: relay.off_bit is not within 2 bytes", id="bit"),
        pytest.param(DLT645, "0x1C", "0x1A", "relay.cut is the same as `restore`", id="cut and restore"),
        pytest.param(DLT645, '"02000000"', '"0200000G"', "relay.password is not 8 hexadecimal digits", id="password"),
        pytest.param(DLT645, "release = 0x3B", "", "16: relay.retain goes with `release`", id="no way back"),
        pytest.param(DLT645, "release = 0x3B", "release = 0x1A", "is there twice", id="release that cuts"),
        pytest.param(DLT645, "date = 0x04000101", "date = 0x04000102", "clock.date is the same as", id="one clock"),
        pytest.param(DLT645, "date = 0x04000101", "", "clock.date is missing", id="no date"),
        pytest.param(CJT188, "at = 10", "at = 13", "clock.at with the 7 bytes", id="clock at the end"),
        pytest.param(CJT188, "at = 10", "at = 10\ncommand = 0xA015", "clock.command goes with `control`", id="A015"),
        pytest.param(MODBUS, "[relay]", "[clock]\nstart = 1\n[relay]", "clock is not known of modbus", id="clock"),
        pytest.param(CJT188, "at = 0", "at = 15", "energy.at with words and the unit", id="behind the end"),
        pytest.param(CJT188, "at = 17", "at = 18", "relay.at with words ends behind", id="status behind the end"),
        pytest.param(CJT188, "{2C = 10}", "{2G = 10}", "energy.units has '2G'", id="unit"),
        pytest.param(CJT188, "{2C = 10}", "{2C = 0}", "energy.units is 0", id="unit of nothing"),
        pytest.param(
            CJT188, "off = [0x0001]", "off = [0x0000]", "relay.off has a value that `on` has too", id="status"
        ),
        pytest.param(CJT188, "off = [0x0001]", "off = [0x0004]", "relay.mask leaves out bits", id="mask"),
        pytest.param(OWN, "words = 20", "words = 18", "bands.words is not for 5 registers", id="bands of no length"),
        pytest.param(OWN, "registers = 5", "registers = 10", "bands.registers is 10, not a whole", id="ten bands"),
        pytest.param(OWN, "registers = 5", "registers = 2", "bands.words has 10 for a register", id="long bands"),
        pytest.param(OWN, "skip = 1", "skip = 5", "bands.skip leaves 0 registers by tariff", id="no bands"),
        pytest.param(OWN_MODBUS, "words = 8", "words = 20", "bands.words has 5 for a register", id="wide bands"),
        pytest.param(OWN_MODBUS, "[remaining]", "[overdraft]", "overdraft says nothing without", id="overdraft alone"),
        pytest.param(OWN_MODBUS, "words = 1\n", "words = 1\nscale = 2\n", "count.scale is not known", id="count"),
        pytest.param(OWN, "words = 4\nscale = 10_000_000 ", "words = 8\nscale = 10_000_000", "64 bits", id="credit"),
        pytest.param(WATER_CREDIT, "at = 9", "at = 12", "remaining.at with words ends behind", id="credit at the end"),
        pytest.param(WATER_CREDIT, "[remaining]", "[bands]", "bands.registers is missing", id="bands of water"),
        pytest.param(OWN, "overload = ", "overlaod = ", "53: status.bits.overlaod is none of", id="bits"),
        pytest.param(
            OWN,
            "overload = [53, 69, 85]",
            "overload = [112]",
            "bits.overload has 112, which is not",
            id="far",
        ),
        pytest.param(OWN, "overload = [53, 69, 85]", "overload = 53", "53: status.bits.overload is 53", id="a bit"),
        pytest.param(OWN, "overload = ", "cover_opened = ", "cover_opened is told by [status] too", id="told twice"),
        pytest.param(OWN, "[cover_opened]", "[overload]", "overload is not known here", id="not counted"),
        pytest.param(CJT188, "words = 2\nbits", "words = 3\nbits", "status.at with words ends", id="state at the end"),
        pytest.param(CJT188, "meter_type = 0x10", "meter_type = true", "meter_type is True", id="truth for a number"),
    ],
)
def test_a_fault_is_told(tmp_path: Path, text: str, old: str, new: str, said: str) -> None:
    path = tmp_path / "mine.toml"
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    status, told = check(path)
    assert (status, said in told) == (2, True), told
    assert "Traceback" not in told


def test_water_with_credit_in_its_answer_is_good(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(WATER_CREDIT, "utf-8")
    assert check(path) == (0, f"{path}: good\n")


def test_a_password_stays_out_of_what_is_told(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(DLT645.replace('"02000000"', '"secretpw"'), "utf-8")
    assert "secretpw" not in check(path)[1]


@pytest.mark.parametrize(("name", "said"), [("none.toml", "cannot be read"), ("mine.txt", "is not called NAME.toml")])
def test_a_file_that_is_none_is_named(tmp_path: Path, name: str, said: str) -> None:
    status, told = check(tmp_path / name)
    assert status == 2
    assert f"{tmp_path / name}: {said}" in told
