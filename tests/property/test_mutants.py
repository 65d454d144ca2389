"""The tests are tested: a core with one rule broken fails at least one case or property."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

CASES = """
import json, pathlib, sys
from streams.replay import replay
for case in sorted(pathlib.Path("tests/scenarios").glob("*.jsonl")):
    expected = case.with_name(case.name.replace(".jsonl", ".expected.json"))
    if expected.exists() and replay(case.open()) != json.loads(expected.read_text()):
        sys.exit(f"caught by {case.stem}")
"""
PROPERTIES = """
import sys
from tests.property import test_core_properties as core, test_fold_equals_plain as fold
for run in range(6):
    for prove in (fold.test_array_path_equals_plain_rules, core.test_an_amount_is_the_price_of_what_was_consumed):
        try:
            prove(run)
        except AssertionError as error:
            sys.exit(f"caught by {prove.__name__}, run {run}")
"""


@dataclass(frozen=True)
class Mutant:
    """One change of the core's text, and what is to notice it."""

    name: str
    file: str
    old: str
    new: str
    proof: str = CASES


MUTANTS = [
    Mutant("none", "consumption.py", "", ""),
    Mutant("no watermark", "consumption.py", "if read_at <= meter.read_at:", "if False:"),
    Mutant(
        "whole interval at its end's price",
        "consumption.py",
        "band = version.band_at(start)",
        "band = version.band_at(meter.read_at if meter.read_at > start else start + quantity * 0 + 3_600_000 * 5)",
    ),
    Mutant(
        "duplicate order let through",
        "money.py",
        "if taken is None:\n        return False",
        "if True:\n        return False",
    ),
    Mutant("no reversal check", "money.py", "if taken.reversed:", "if False:"),
    Mutant("no reversal of another's recharge", "money.py", 'taken.kind != "recharge" or', "False and"),
    Mutant("tier limit not cut", "consumption.py", "inside = min(end, limit) - position", "inside = end - position"),
    Mutant("rollover taken for backwards", "consumption.py", "10 * register <= meter.wrap", "False"),
    Mutant(
        "ratio forgotten",
        "consumption.py",
        "return (register - last) * meter.ratio, False",
        "return register - last, False",
    ),
    Mutant("cut in protected hours", "supply.py", "if protected:", "if False:"),
    Mutant("manual cut forgotten", "supply.py", 'and not meter["manual"]', ""),
    Mutant("level passed twice", "account.py", "if before > level >= balance:", "if level >= balance:"),
    Mutant("array path: no watermark", "metering.py", '(read_at > rows["read_at"]) & ', "", PROPERTIES),
    Mutant("array path: cell never left", "metering.py", "(read_at <= panel.end[meter])", "True", PROPERTIES),
    Mutant("array path: tier never left", "metering.py", "(register <= panel.top[meter])", "True", PROPERTIES),
    Mutant(
        "array path: floors of parts",
        "segments.py",
        "share = now.consumption * (end - whole_start[live])",
        "share = (now.consumption - 1) * (end - whole_start[live])",
        PROPERTIES,
    ),
    Mutant(
        "array path: month not begun",
        "segments.py",
        "self.month_base[turned] = self.priced[turned]",
        "pass",
        PROPERTIES,
    ),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_a_core_with_a_rule_broken_is_caught(mutant: Mutant, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "streams", tmp_path / "streams", ignore=shutil.ignore_patterns("__pycache__"))
    path = tmp_path / "streams" / "core" / mutant.file
    text = path.read_text("utf-8")
    assert mutant.old in text, "the mutant no longer fits the code"
    path.write_text(text.replace(mutant.old, mutant.new, 1) if mutant.old else text, "utf-8")
    # The mutated package goes first; cases and properties are those of the working tree.
    paths = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", mutant.proof],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths, "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    if mutant.name == "none":
        assert done.returncode == 0, done.stderr
    else:
        assert done.returncode == 1, "no test noticed"
        assert "caught by" in done.stderr or "Error" in done.stderr
