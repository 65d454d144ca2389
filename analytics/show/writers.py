"""A frame as a table for the terminal, as CSV, JSON or an Excel sheet; every number exactly as it is."""

import json
import re
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Final

import pandas as pd
import xlsxwriter
from rich.cells import cell_len
from xlsxwriter.exceptions import FileCreateError

from analytics.show.cells import heading, kind_of, text_of

_EXCEL_DIGITS: Final = 15
"""Excel keeps a number's first 15 digits; one that has more is written as a text."""
_EXCEL_ROWS: Final = 1_048_576
_SHEET_NAME: Final = 31
_FORMULA: Final = re.compile(r"[=@＝＠\t\r\n]|[-+－＋](?![\w .]*\Z)")
"""What a spreadsheet reckons with; a basement's `-1F` or a number is no formula."""
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""Ends of lines, and what a terminal takes for orders."""
_TO_QUOTE: Final = re.compile(r'[,"\r\n]')


class Format(StrEnum):
    """How a report is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    XLSX = "xlsx"


def as_table(frame: pd.DataFrame) -> str:
    """Aligned columns, numbers to the right; a line for each row, whatever characters a text has."""
    names = [str(name) for name in frame.columns]
    heads = [heading(name).replace("_", " ") for name in names]
    rows = [
        [_CONTROLS.sub(" ", text_of(name, value)) for name, value in zip(names, row, strict=True)]
        for row in _values(frame)
    ]
    widths = [max(map(cell_len, column)) for column in zip(heads, *rows, strict=True)]
    right = [_is_number(frame, name) for name in names]
    lines = []
    for row in (heads, *rows):
        cells = []
        for text, width, to_right in zip(row, widths, right, strict=True):
            space = " " * (width - cell_len(text))
            cells.append(space + text if to_right else text + space)
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines) + "\n"


def as_csv(frame: pd.DataFrame) -> str:
    """RFC 4180 with a line of headings; lines end in \\n.

    A text that a spreadsheet would take for a formula, such as a reason that somebody gave, gets a `'` in front.
    """
    names = [str(name) for name in frame.columns]
    lines = [map(heading, names)]
    for row in _values(frame):
        lines.append(map(_inert, names, row))
    return "".join(f"{','.join(map(_quoted, line))}\n" for line in lines)


def _inert(column: str, value: object) -> str:
    text = text_of(column, value)
    return f"'{text}" if isinstance(value, str) and _FORMULA.match(text) else text


def _quoted(text: str) -> str:
    # By Python's csv a lone carriage return would stand without quotes and end the line.
    quoted = text.replace('"', '""')
    return f'"{quoted}"' if _TO_QUOTE.search(text) else text


def as_json(frame: pd.DataFrame) -> str:
    """A list of objects; decimals and times are texts, counts numbers, what is not there null."""
    names = [str(name) for name in frame.columns]
    rows = [
        {
            heading(name): value
            if value is None or (isinstance(value, int) and kind_of(name) is None)
            else text_of(name, value)
            for name, value in zip(names, row, strict=True)
        }
        for row in _values(frame)
    ]
    return json.dumps(rows, ensure_ascii=False, indent=1) + "\n"


def write_xlsx(frame: pd.DataFrame, path: Path, *, title: str) -> None:
    """One sheet; numbers as numbers with their decimals, as far as Excel keeps them exactly.

    Raises:
        ValueError: There are more rows than a sheet has.
        OSError: The file cannot be written.
    """
    if len(frame) >= _EXCEL_ROWS:
        raise ValueError(f"{len(frame):,} rows, a sheet has {_EXCEL_ROWS:,}: take CSV, or a shorter period")
    try:
        _write_book(frame, path, title)
    except FileCreateError as error:
        raise OSError(f"{path}: {error.args[0]}") from error


def _write_book(frame: pd.DataFrame, path: Path, title: str) -> None:
    names = [str(name) for name in frame.columns]
    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet(title[:_SHEET_NAME])
        bold = book.add_format({"bold": True, "text_wrap": True, "valign": "top"})
        formats = {
            decimals: book.add_format({"num_format": "0" + ("." + "0" * decimals if decimals else "")})
            for decimals in range(10)
        }
        sheet.freeze_panes(1, 0)
        for column, name in enumerate(names):
            sheet.write_string(0, column, heading(name).replace("_", " "), bold)
        for number, row in enumerate(_values(frame), 1):
            for column, (name, value) in enumerate(zip(names, row, strict=True)):
                text = text_of(name, value)
                kind = kind_of(name)
                is_number = isinstance(value, int) and not isinstance(value, bool) and (kind is None or kind.is_number)
                if is_number and sum(map(str.isdigit, text)) <= _EXCEL_DIGITS:
                    decimals = len(text.partition(".")[2])
                    sheet.write_number(number, column, Decimal(text), formats[decimals])
                elif text:
                    sheet.write_string(number, column, text)
        sheet.autofilter(0, 0, max(len(frame), 1), len(names) - 1)
        sheet.autofit()


def _values(frame: pd.DataFrame) -> list[tuple[object, ...]]:
    """The rows as Python's own values."""
    return list(frame.itertuples(index=False, name=None))


def _is_number(frame: pd.DataFrame, name: str) -> bool:
    kind = kind_of(name)
    if kind is not None:
        return kind.is_number
    return all(isinstance(value, int) and not isinstance(value, bool) for value in frame[name] if value is not None)
