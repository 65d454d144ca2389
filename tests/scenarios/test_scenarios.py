"""Every case of this folder, by the core and by the slow model, gives its expected output exactly."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from streams.replay import replay
from tests.model import run

FOLDER = Path(__file__).parent
CASES = sorted(FOLDER.glob("*.jsonl"))
Ledger = Callable[[Iterable[str]], dict[str, Any]]


@pytest.mark.parametrize("ledger", [pytest.param(run, id="model"), pytest.param(replay, id="core")])
@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.stem))
def test_case(case: Path, ledger: Ledger) -> None:
    expected = json.loads(case.with_suffix(".expected.json").read_text())
    with case.open() as lines:
        assert ledger(lines) == expected


def test_every_case_is_explained() -> None:
    readme = (FOLDER / "README.md").read_text()
    assert [case.stem for case in CASES if f"| {case.stem} |" not in readme] == []
