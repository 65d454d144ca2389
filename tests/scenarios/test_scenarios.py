"""Every case of this folder, by the core and by the slow model, gives its expected output exactly."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from _pytest.mark import ParameterSet

from streams.replay import replay
from tests.model import run

FOLDER = Path(__file__).parent
CASES = sorted(FOLDER.glob("*.jsonl"))
Ledger = Callable[[Iterable[str]], dict[str, Any]]

CORE_DIFFERS = {
    "158-order-of-commands-of-one-account": "a command ordered by hand goes before those judged in the same line",
    "159-what-does-not-fit-is-refused-last": "a closing is tried for width before it is found incomplete",
    "163-late-part-of-a-replaced-meter-after-its-successor": "a replaced meter's position holds its successor's too",
}


def _cases() -> Iterator[ParameterSet]:
    for case in CASES:
        differs = [pytest.mark.xfail(reason=CORE_DIFFERS[case.stem])] if case.stem in CORE_DIFFERS else []
        yield pytest.param(case, run, id=f"{case.stem}-model")
        yield pytest.param(case, replay, id=f"{case.stem}-core", marks=differs)


@pytest.mark.parametrize(("case", "ledger"), _cases())
def test_case(case: Path, ledger: Ledger) -> None:
    expected = json.loads(case.with_suffix(".expected.json").read_text())
    with case.open() as lines:
        assert ledger(lines) == expected


def test_every_case_is_explained() -> None:
    readme = (FOLDER / "README.md").read_text()
    assert [case.stem for case in CASES if f"| {case.stem} |" not in readme] == []
