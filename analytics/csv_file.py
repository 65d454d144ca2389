"""CSV files that people hand in: the rows under their headings, as spreadsheets write them."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from analytics.errors import AnalyticsError

_ENCODINGS: Final = ("utf-8-sig", "gb18030")
"""UTF-8, with the BOM that Excel writes or without, and what Chinese spreadsheets and payment channels write."""


def read_csv(path: Path, needed: Sequence[str], optional: Sequence[str] = ()) -> list[tuple[str, dict[str, str]]]:
    """Read a CSV file with a line of headings, in UTF-8 or GBK; other columns do not matter.

    Args:
        optional: Columns that may be there; like the needed ones they must not be there twice.
    Returns:
        Of each row where it is, for errors, and its texts by heading, without spaces around them; what a short row
        lacks is empty.
    Raises:
        AnalyticsError: The file cannot be read, lacks a needed column, has a column twice or a row that is longer than
            the headings; says which.
    """
    try:
        reader = csv.DictReader(io.StringIO(_text(path), newline=""))
        headings = [name.strip() for name in reader.fieldnames or ()]
        missing = [name for name in needed if name not in headings]
        if missing:
            there = ", ".join(headings) or "nothing"
            raise AnalyticsError(f"{path}: no column {' and no column '.join(missing)}; there is {there}")
        twice = [name for name in (*needed, *optional) if headings.count(name) > 1]
        if twice:
            raise AnalyticsError(f"{path}: two columns {' and two columns '.join(twice)}")
        reader.fieldnames = headings
        return [(f"{path}: line {reader.line_num}", _row(path, reader.line_num, row)) for row in reader]
    except (OSError, csv.Error) as error:
        raise AnalyticsError(f"{path}: {error}") from error


def _text(path: Path) -> str:
    content = path.read_bytes()
    for encoding in _ENCODINGS:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise AnalyticsError(f"{path}: its text is neither UTF-8 nor GBK")


def _row(path: Path, line: int, row: dict[str, str | None] | dict[str | None, list[str]]) -> dict[str, str]:
    """A row without what a spreadsheet leaves empty behind it."""
    texts: dict[str, str] = {}
    for name, value in row.items():
        if isinstance(value, list):
            # An amount such as 1,234.50 without quotes: read on, it would be 1.
            if any(map(str.strip, value)):
                raise AnalyticsError(f"{path}: line {line}: more texts than headings; one with a comma needs quotes")
        elif name is not None:
            texts[name] = (value or "").strip()
    return texts
