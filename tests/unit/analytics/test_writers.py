"""Frames are written exactly."""

import csv
import io
import json
import zipfile
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from analytics.question import exact_frame
from analytics.show.cells import heading, text_of
from analytics.show.writers import as_csv, as_json, as_table, write_xlsx

COLUMNS = (
    "site",
    "day",
    "seen_ms",
    "until_took_ms",
    "used_milli",
    "paid_nano",
    "due_cents",
    "share_bp",
    "count",
    "late",
)
ROWS = [
    ("S1", date(2026, 3, 1), 0, 1_500, 1_234_567, 2**70, -5, 9_876, 3, True),
    ('东区, "b"', None, None, None, None, -1, 12_345, None, None, False),
]


@pytest.fixture
def frame() -> pd.DataFrame:
    return exact_frame(ROWS, COLUMNS)


def test_json_has_decimals_as_texts(frame: pd.DataFrame) -> None:
    assert json.loads(as_json(frame)) == [
        {
            "site": "S1",
            "day": "2026-03-01",
            "seen": "1970-01-01T08:00:00+08:00",
            "until_s": "1.500",
            "used": "1234.567",
            "paid_yuan": "1180591620717.411303424",
            "due_yuan": "-0.05",
            "share_percent": "98.76",
            "count": 3,
            "late": True,
        },
        {
            "site": '东区, "b"',
            "day": None,
            "seen": None,
            "until_s": None,
            "used": None,
            "paid_yuan": "-0.000000001",
            "due_yuan": "123.45",
            "share_percent": None,
            "count": None,
            "late": False,
        },
    ]


def test_csv_is_quoted(frame: pd.DataFrame) -> None:
    lines = as_csv(frame).splitlines()
    assert lines[0] == "site,day,seen,until_s,used,paid_yuan,due_yuan,share_percent,count,late"
    assert lines[2] == '"东区, ""b""",,,,,-0.000000001,123.45,,,no'


def test_a_table_is_aligned_also_in_chinese(frame: pd.DataFrame) -> None:
    head, first, second = as_table(frame[["site", "due_cents"]]).splitlines()
    assert head == "site       due yuan"
    assert first == "S1            -0.05"
    assert second == '东区, "b"    123.45'


def test_excel_gets_numbers_as_far_as_it_keeps_them(frame: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "sheet.xlsx"
    write_xlsx(frame, path, title="A title that is longer than a sheet's may be")
    with zipfile.ZipFile(path) as book:
        cells = book.read("xl/worksheets/sheet1.xml").decode()
        texts = book.read("xl/sharedStrings.xml").decode()
    for number in ("1234.567", "-0.05", "123.45", "98.76", "3"):
        assert f"<v>{number}</v>" in cells
    assert "1180591620717.411303424" in texts


def test_too_many_rows_for_a_sheet_are_refused(tmp_path: Path) -> None:
    frame = exact_frame([(1,)] * 1_048_576, ("count",))
    with pytest.raises(ValueError, match="take CSV"):
        write_xlsx(frame, tmp_path / "sheet.xlsx", title="t")


@pytest.mark.parametrize(
    ("column", "value", "shown", "text"),
    [
        ("until_took_ms", 61_000, "until_s", "61.000"),
        ("deducted_nano", 5, "deducted_yuan", "0.000000005"),
        ("meter", None, "meter", ""),
        ("repeat", False, "repeat", "no"),
    ],
)
def test_a_column_tells_its_unit(column: str, value: object, shown: str, text: str) -> None:
    assert (heading(column), text_of(column, value)) == (shown, text)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=1+1", "'=1+1"),
        ('=HYPERLINK("http://x","y")', '"\'=HYPERLINK(""http://x"",""y"")"'),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-2+3+cmd|' /C calc'!A0", "'-2+3+cmd|' /C calc'!A0"),
        ("+1-1", "'+1-1"),
        ("\t=1", "'\t=1"),
        ("\r=1", '"\'\r=1"'),
        ("＝1+1", "'＝1+1"),
        ("-1F", "-1F"),
        ("-1层", "-1层"),
        ("+86 138 0000 0000", "+86 138 0000 0000"),
        ("A=1", "A=1"),
    ],
)
def test_csv_has_no_formulas(text: str, written: str) -> None:
    frame = exact_frame([(text, -5, -7)], ("reason", "due_cents", "count"))
    assert as_csv(frame) == f"reason,due_yuan,count\n{written},-0.05,-7\n"


def test_csv_keeps_every_text_in_its_cell() -> None:
    """A lone carriage return too, which ends a line where it is not quoted."""
    texts = ["a\rb", "a\nb", 'a"b', "a,b", "a;b", "", " a "]
    frame = exact_frame([(text, "end") for text in texts], ("reason", "site"))
    rows = list(csv.reader(io.StringIO(as_csv(frame), newline="")))
    assert rows == [["reason", "site"], *([text, "end"] for text in texts)]


def test_a_table_has_a_line_for_each_row() -> None:
    frame = exact_frame([("a\r\n\x1b[2Jb", 1)], ("reason", "count"))
    assert as_table(frame) == "reason    count\na   [2Jb      1\n"


def test_excel_has_no_formulas(tmp_path: Path) -> None:
    path = tmp_path / "sheet.xlsx"
    write_xlsx(exact_frame([("=1+1", 1), ("http://x", 2)], ("reason", "count")), path, title="t")
    with zipfile.ZipFile(path) as book:
        cells = book.read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in cells
    assert "hyperlink" not in cells


def test_a_sheet_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"sheet\.xlsx"):
        write_xlsx(exact_frame([(1,)], ("count",)), tmp_path / "none" / "sheet.xlsx", title="t")
