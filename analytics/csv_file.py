"""CSV files that people hand in: the rows under their headings, as spreadsheets write them."""

import csv
from collections.abc import Sequence
from pathlib import Path

from analytics.errors import AnalyticsError


def read_csv(path: Path, needed: Sequence[str]) -> list[tuple[str, dict[str, str]]]:
    """Read a CSV file with a line of headings; a BOM, which Excel writes, and other columns do not matter.

    Returns:
        Of each row where it is, for errors, and its texts by heading, without spaces around them; what a short row
        lacks is empty.
    Raises:
        AnalyticsError: The file cannot be read or lacks a needed column; says which.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in needed if name not in (reader.fieldnames or ())]
            if missing:
                raise AnalyticsError(f"{path}: no column {' and no column '.join(missing)}")
            return [
                (
                    f"{path}: line {reader.line_num}",
                    # Texts beyond the headings are a list under None.
                    {name: (value or "").strip() for name, value in row.items() if isinstance(name, str)},
                )
                for row in reader
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise AnalyticsError(f"{path}: {error}") from error
