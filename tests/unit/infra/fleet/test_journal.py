from pathlib import Path

import pytest

from infra.fleet.errors import FleetError
from infra.fleet.journal import ControlJournal
from infra.fleet.meter import Control, ControlChange

CHANGES = [
    ("S1-M0001", ControlChange(1000, Control(is_open=True, trip_ordered=True, forced=True))),
    ("S1-M0002", ControlChange(2000, Control(retained=True))),
    ("S1-M0001", ControlChange(3000, Control(forced=True))),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "fleet" / "controls.jsonl"


def write(path: Path) -> None:
    with ControlJournal(path) as journal:
        for meter, change in CHANGES:
            journal.append(meter, change)


def test_a_new_journal_is_empty(path: Path) -> None:
    with ControlJournal(path) as journal:
        assert list(journal.replay()) == []


def test_what_was_appended_comes_back(path: Path) -> None:
    write(path)
    with ControlJournal(path) as journal:
        assert list(journal.replay()) == CHANGES


@pytest.mark.parametrize("torn", [b"{", b'{"meter":"S1-M0001","at_ms":40', b"\xff"])
def test_a_torn_last_line_is_cut_off(path: Path, torn: bytes) -> None:
    write(path)
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    with ControlJournal(path) as journal:
        assert list(journal.replay()) == CHANGES
        journal.append(*CHANGES[0])
    with ControlJournal(path) as journal:
        assert list(journal.replay()) == [*CHANGES, CHANGES[0]]


@pytest.mark.parametrize("line", [b"nonsense\n", b'{"meter":"S1-M0001"}\n', b"[]\n"])
def test_a_damaged_line_in_the_middle_is_refused(path: Path, line: bytes) -> None:
    write(path)
    path.write_bytes(line + path.read_bytes())
    with ControlJournal(path) as journal, pytest.raises(FleetError, match="line 1"):
        list(journal.replay())
