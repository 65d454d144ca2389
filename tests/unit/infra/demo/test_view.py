"""How a moment looks on a terminal and in a line."""

from io import StringIO

import pytest
from rich.console import Console

from infra.demo.snapshot import Accounts, Deduction, Snapshot, Switch
from infra.demo.view import line, panel
from infra.status import Lag
from infra.supervisor import Event, What

AT_MS = 1_772_409_600_000
URL = "clickhouse://default:secret@127.0.0.1:9000/sluice"
SNAPSHOT = Snapshot(
    at_ms=AT_MS + 60_000,
    clickhouse=URL,
    readings=12_345,
    readings_per_s=200,
    accounts=Accounts(credit=900, low=8, arrears=3, meters_off=2),
    deductions=(Deduction(AT_MS, "S1-A0007", "S1-M0007", 1_250, 1_000_000_000, -1_239_999_999),),
    switches=(Switch(AT_MS, "S1-M0001", "cut", "arrears"),),
    lags=(Lag("ledger", "meter.frames", 0), Lag("sink", "ledger.postings", None)),
)
EMPTY = Snapshot(AT_MS, URL, 0, 0, Accounts(), (), (), ())


def shown(snapshot: Snapshot, *, width: int = 100) -> str:
    console = Console(file=StringIO(), width=width)
    ended = Event("ledger-0", What.ENDED, 7, "killed by SIGKILL, starts again in 0.2 s")
    console.print(panel(snapshot, speed=60, events=[ended]))
    file = console.file
    assert isinstance(file, StringIO)
    return file.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-02 08:01, 60 times as fast as yours",
        "12,345 in ClickHouse, 200/s",
        "900 in credit, 8 low, 3 in arrears; 2 meters cut",
        "ledger 0 of meter.frames, sink has not begun",
        "2026-03-02 08:00  S1-A0007  S1-M0007  1.25  1.00    -1.23",
        "2026-03-02 08:00  S1-M0001  cut      arrears",
        "ledger-0 ended killed by SIGKILL",
        f'Client.from_url("{URL}")',
    ],
)
def test_a_terminal_shows(text: str) -> None:
    assert text in shown(SNAPSHOT)


def test_the_address_is_whole_on_a_narrow_terminal() -> None:
    assert URL in "".join(shown(SNAPSHOT, width=80).split("\n"))


def test_the_beginning_has_nothing_to_show_yet() -> None:
    assert "0 in ClickHouse" in shown(EMPTY)
    assert "last" not in line(EMPTY)


def test_a_line_says_the_same() -> None:
    assert line(SNAPSHOT) == (
        "2026-03-02 08:01  readings 12,345 (200/s)  accounts 900 in credit, 8 low, 3 in arrears  2 meters cut;"
        " last cut S1-M0001 (arrears)  behind ledger 0 of meter.frames, sink has not begun"
    )
