"""The compiled fold gives, row for row and byte for byte, what the plain rules give one line at a time."""

import os
import random

import numpy as np
import pytest

from streams.core.outcome import NO_VERSION, Flag
from streams.core.site import ReadingBatch, SiteLedger
from tests.bench.core import opened_site, rounds
from tests.property.drawn import FEBRUARY_MS, batch, history, opened, shown, take

MINUTE_MS = 60_000
SEED = int(os.environ.get("SLUICE_SEED", "20260105"))
RUNS = int(os.environ.get("SLUICE_FOLD_RUNS", "40"))


@pytest.mark.parametrize("run", range(RUNS))
def test_compiled_fold_equals_plain_rules(run: int) -> None:
    seed = SEED + run
    random_ = random.Random(seed)
    together, plain = SiteLedger("S1"), SiteLedger("S1")
    registers = opened(random_, random_.choice([3, 12, 40]), together, plain)
    pages_together: dict[str, bytes] = {}
    pages_plain: dict[str, bytes] = {}
    for number, step in enumerate(history(random_, registers)):
        take(together, step)
        if isinstance(step, ReadingBatch):
            plain.take_readings_plainly(step)
        else:
            take(plain, step)
        one, other = shown(together.settle()), shown(plain.settle())
        for name, value in one.items():
            assert value == other[name], f"seed {seed}, step {number}: {name} differ"
        pages_together |= together.dirty_pages()
        pages_plain |= plain.dirty_pages()
        assert pages_together == pages_plain, f"seed {seed}, step {number}: pages differ"
        if random_.random() < 0.2:
            together = SiteLedger.load("S1", pages_together)


@pytest.mark.parametrize("run", range(5))
def test_a_clock_ahead_over_a_months_end_equals_plain_rules(run: int) -> None:
    # The month that the site is still in must stay known, for a meter that may take the seat before it ends.
    random_ = random.Random(SEED + run)
    together, plain = SiteLedger("S1"), SiteLedger("S1")
    registers = opened(random_, 12, together, plain)
    pages_together: dict[str, bytes] = {}
    pages_plain: dict[str, bytes] = {}
    for offset, (minutes, ahead) in enumerate([(-5, 0), (-4, 9), (-3, 9), (-1, 0), (1, 0), (12, 5), (14, 0)]):
        step = batch(random_, registers, 12, FEBRUARY_MS + minutes * MINUTE_MS, offset)
        step.at[:] = FEBRUARY_MS + minutes * MINUTE_MS
        step.read_at[:] = step.at + ahead * MINUTE_MS
        together.take_readings(step)
        plain.take_readings_plainly(step)
        assert shown(together.settle()) == shown(plain.settle())
        pages_together |= together.dirty_pages()
        pages_plain |= plain.dirty_pages()
        assert pages_together == pages_plain, f"{minutes} minutes"


def test_common_rounds_never_need_the_plain_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    # Bands and tiers are crossed, a round comes twice; only notices, commands and the like are uncommon.
    ledger = opened_site(meters=600)
    taken = []
    monkeypatch.setattr("streams.core.fold.fold_plainly", lambda _, readings: taken.append(readings))
    for readings in rounds(200, 1, 900, meters=600):
        ledger.take_readings(readings)
        ledger.take_readings(readings)
    rows = ledger.settle().readings
    assert not taken
    assert len(rows) == 360_000
    assert int(np.count_nonzero(rows["flags"] == Flag.DUPLICATE)) == 180_000
    assert np.count_nonzero(rows["version"] == NO_VERSION) > 180_000, "nothing crossed a boundary"
