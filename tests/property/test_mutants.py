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
for run in range(16):
    for prove in (
        fold.test_compiled_fold_equals_plain_rules,
        fold.test_a_clock_ahead_over_a_months_end_equals_plain_rules,
        core.test_an_amount_is_the_price_of_what_was_consumed,
    ):
        try:
            prove(run)
        except AssertionError as error:
            sys.exit(f"caught by {prove.__name__}, run {run}")
"""


@dataclass(frozen=True)
class Mutant:
    """A change of the core's text, and what is to notice it."""

    name: str
    edits: tuple[tuple[str, str, str], ...]
    """(file, old, new); what is common is written twice, plainly and compiled, and both are changed."""
    proof: str = CASES


MUTANTS = [
    Mutant("none", ()),
    Mutant("none, by properties", (), PROPERTIES),
    Mutant(
        "no watermark",
        (
            ("consumption.py", "if read_at <= meter.read_at:", "if False:"),
            ("kernel.py", "newer = instant > last_at[number]", "newer = instant != last_at[number]"),
        ),
    ),
    Mutant(
        "whole interval at its end's price",
        (
            (
                "consumption.py",
                "_band_of(meter, part, segment.version, segment.start,",
                "_band_of(meter, part, segment.version, part.end,",
            ),
            ("kernel.py", "minute = (at - midnight)", "minute = (end - midnight) % DAY_MS"),
        ),
    ),
    Mutant(
        "duplicate order let through",
        (("money.py", "if taken is None:\n        return False", "if True:\n        return False"),),
    ),
    Mutant("no reversal check", (("money.py", "if taken.reversed:", "if False:"),)),
    Mutant("no reversal of another's recharge", (("money.py", 'taken.kind != "recharge" or', "False and"),)),
    Mutant(
        "tier limit not cut",
        (
            ("consumption.py", "inside = min(end, limit) - position", "inside = end - position"),
            ("kernel.py", "inside = min(quantity, prices.upper[row, tier] - position)", "inside = quantity"),
        ),
    ),
    Mutant(
        "only the latest month is kept",
        (("meter.py", "behind = month_of(min(at, meter.read_at)) < month", "behind = False"),),
    ),
    Mutant("rollover taken for backwards", (("bandregisters.py", "10 * register <= wrap", "False"),)),
    Mutant(
        "ratio forgotten",
        (
            ("consumption.py", "(advance[0] * meter.ratio, advance[1])", "(advance[0], advance[1])"),
            ("kernel.py", 'difference * setup["ratio"][number]', "difference"),
        ),
    ),
    Mutant("cut in protected hours", (("supply.py", "if protected:", "if False:"),)),
    Mutant("manual cut forgotten", (("supply.py", 'and not meter["manual"]', ""),)),
    Mutant("level passed twice", (("account.py", "if before > level >= balance:", "if level >= balance:"),)),
    Mutant(
        "fees charged after the line",
        (
            (
                "site.py",
                "charge_due_fees(line)\n        office.carry_out(line, parsed)",
                "office.carry_out(line, parsed)\n        charge_due_fees(line)",
            ),
        ),
    ),
    Mutant("fee charged anew", (("charging.py", "order.starts_at <= schedule", "order.starts_at < schedule"),)),
    Mutant(
        "rates ahead outlast a change",
        (("fees.py", "if other.starts_at < rate.starts_at)", "if other.starts_at != rate.starts_at)"),),
    ),
    Mutant("fee of a closed account", (("money.py", "books.fees.stop(account)", "pass"),)),
    Mutant("a fee is no deduction", (("charging.py", "spent=True", "spent=False"),)),
    Mutant("share rounded down", (("sharing.py", "parts[place] += 1", "parts[place] += 0"),)),
    Mutant(
        "share's remainder to the first listed",
        (("sharing.py", "-(amount * weights[place] % whole)", "place"),),
    ),
    Mutant("share paid to itself", (("sharing.py", " or public in numbers", ""),)),
    Mutant("share of a closed account", (("sharing.py", "in (public, *numbers)", "in (public,)"),)),
    Mutant("service fee rounded down", (("account.py", "+ SERVICE_FEE_WHOLE // 2)", ")"),)),
    Mutant("service fee kept at a reversal", (("money.py", "-taken.service_fee, of", "0, of"),)),
    Mutant(
        "a sale confirmed by any growth of the count",
        (("credit.py", "count == self.count + 1 == self.expected", "count > self.count"),),
    ),
    Mutant("a sale confirmed by its count alone", (("credit.py", "count == self.count + 1 ==", "count =="),)),
    Mutant("a sale sent again at once", (("crediting.py", " and line.at - credit.sent_at >= REPEAT_AFTER_MS", ""),)),
    Mutant("a condition told each time", (("conditions.py", "now & ~known & bit_of(each)", "now & bit_of(each)"),)),
    Mutant("an old reading that says what is there", (("conditions.py", "read_at <= self.since[meter]", "False"),)),
    Mutant(
        "an old reading that was refused says it",
        (("posting.py", "        return newer\n    books", "        return True\n    books"),),
    ),
    Mutant("a difference told each time", (("crediting.py", "if outside and not credit.outside", "if outside"),)),
    Mutant("a meter with credit is cut", (("account.py", "if number in self.own_credit:", "if False:"),)),
    Mutant("closed with a sale on its way", (("money.py", "if not reason and any(", "if False and any("),)),
    Mutant("a service fee put into the meter", (("crediting.py", "credit.sales[0].credit", "credit.sales[0].amount"),)),
    Mutant("the rest of bands is lost", (("consumption.py", ", (REST, shares.rest)", ""),)),
    Mutant("a band's register falls unseen", (("bandregisters.py", "fell or ahead", "ahead"),)),
    Mutant(
        "a band charged up to what it told",
        (("bandregisters.py", "taken.append(min(shown, left))", "taken.append(shown)"),),
    ),
    Mutant(
        "kept shares forget their band",
        (("consumption.py", "share * meter.ratio, band=band)", "share * meter.ratio)"),),
    ),
    Mutant("a share is no deduction", (("sharing.py", "spent=moved < 0", "spent=False"),)),
    Mutant(
        "compiled: a fee passed over",
        (
            (
                "fold.py",
                "min(books.supplies.ripe_at(books.clock), books.fees.next_due())",
                "books.supplies.ripe_at(books.clock)",
            ),
        ),
        PROPERTIES,
    ),
    Mutant(
        "compiled: no watermark",
        (("kernel.py", "newer = instant > last_at[number]", "newer = instant >= last_at[number] + 1 - 3_600_000"),),
        PROPERTIES,
    ),
    Mutant("compiled: band never ends", (("kernel.py", "min(band_end, ", "min("),), PROPERTIES),
    Mutant(
        "compiled: month never ends",
        (("kernel.py", "_MONTHS[index + 1], prices.ends_at[row], end)", "prices.ends_at[row], end)"),),
        PROPERTIES,
    ),
    Mutant(
        "compiled: named days forgotten",
        (("kernel.py", "prices.special_day[place] == day", "False"),),
        PROPERTIES,
    ),
    Mutant(
        "compiled: midnight no boundary",
        (
            (
                "kernel.py",
                "min(band_end + prices.change_ms[row, profile, minute], midnight + DAY_MS)",
                "band_end + prices.change_ms[row, profile, minute]",
            ),
        ),
        PROPERTIES,
    ),
    Mutant(
        "calendar changed after pricing",
        (("office.py", "day_start(min(changed)) < tariffs.priced_by_day_type()", "False"),),
    ),
    Mutant(
        "compiled: floors of parts",
        (("kernel.py", "else consumption * (upto_at", "else (consumption - 1) * (upto_at"),),
        PROPERTIES,
    ),
    Mutant("compiled: month not begun", (("kernel.py", "month, month_base = now, priced", "month = now"),), PROPERTIES),
    Mutant(
        "compiled: only the latest month is kept",
        (("kernel.py", "_MONTHS[place.month - _FIRST_MONTH] > now", "False"),),
        PROPERTIES,
    ),
    Mutant("compiled: a cut passed over", (("kernel.py", "or before - amount <= alert[account]", ""),), PROPERTIES),
    Mutant(
        "compiled: no limit of plausibility",
        (("kernel.py", "consumption * HOUR_MS > rate * interval_ms", "False"),),
        PROPERTIES,
    ),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_a_core_with_a_rule_broken_is_caught(mutant: Mutant, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "streams", tmp_path / "streams", ignore=shutil.ignore_patterns("__pycache__"))
    for file, old, new in mutant.edits:
        path = tmp_path / "streams" / "core" / file
        text = path.read_text("utf-8")
        assert old in text, "the mutant no longer fits the code"
        path.write_text(text.replace(old, new, 1), "utf-8")
    # The mutated package goes first; cases and properties are those of the working tree.
    paths = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", mutant.proof],
        cwd=ROOT,
        # Compiling each mutant would take longer than running it uncompiled.
        env={**os.environ, "PYTHONPATH": paths, "PYTHONSAFEPATH": "1", "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    if not mutant.edits:
        assert done.returncode == 0, done.stderr
    else:
        assert done.returncode == 1, "no test noticed"
        assert "caught by" in done.stderr or "Error" in done.stderr
