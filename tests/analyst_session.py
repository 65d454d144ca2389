"""The analyst's session in `docs/analyst.md`: its cells are run, and what they print and draw is put behind them.

`python -m tests.analyst_session` makes the month of `tests/group_history.py` in a ClickHouse of its own, runs the cells
as the user who only reads, and writes the page and its pictures anew.
"""

import contextlib
import io
import os
import re
import tempfile
from pathlib import Path
from typing import Any, Final

from infra.clickhouse.users import analyst_url
from infra.endpoints import clickhouse_url, read_record
from infra.settings import Settings
from tests.conftest import ROOT, start_part, stop_part
from tests.group_history import group_history

PAGE: Final = ROOT / "docs" / "analyst.md"
ADDRESS: Final = "SLUICE_ADDRESS"
"""The variable by which the session's first cell knows where to connect."""

_CELL = re.compile(r"^```python\n(?P<cell>.*?)^```\n(?:\n?```text\n.*?^```\n)?", re.MULTILINE | re.DOTALL)


def run_session(page: str, address: str, folder: Path) -> str:
    """The page with what its cells print now.

    Args:
        address: Of the database that is asked.
        folder: Where the cells draw their pictures: the working directory meanwhile.
    """
    names: dict[str, Any] = {"__name__": "session"}

    def run(match: re.Match[str]) -> str:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(match["cell"], str(PAGE), "exec"), names)
        lines = "".join(f"{line.rstrip()}\n" for line in printed.getvalue().splitlines())
        return f"```python\n{match['cell']}```\n" + (f"```text\n{lines}```\n" if lines else "")

    before = os.environ.get(ADDRESS)
    os.environ[ADDRESS] = address
    try:
        with contextlib.chdir(folder):
            return _CELL.sub(run, page)
    finally:
        os.environ.pop(ADDRESS) if before is None else os.environ.update({ADDRESS: before})


def main() -> None:
    """Write the page and its pictures anew."""
    with tempfile.TemporaryDirectory(prefix="sluice-session-") as folder:
        settings = Settings(data_dir=Path(folder), kafka="", clickhouse="")
        server = start_part(settings, "clickhouse")
        try:
            group_history().write(clickhouse_url(settings))
            record = read_record(settings, "clickhouse")
            assert record is not None
            address = analyst_url(settings.data_dir / "clickhouse", record.ports["clickhouse"], settings.database)
            PAGE.write_text(run_session(PAGE.read_text(), address, PAGE.parent))
        finally:
            stop_part(server)


if __name__ == "__main__":
    main()
