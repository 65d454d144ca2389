"""The compiled fold gives, row for row and byte for byte, what the plain rules give one line at a time."""

import os
import random

import numpy as np
import pytest

from streams.core.outcome import NO_VERSION, Flag
from streams.core.site import ReadingBatch, SiteLedger
from tests.bench.core import opened_site, rounds
from tests.property.drawn import history, opened, shown, take

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


def test_common_rounds_never_need_the_plain_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    # Bands and tiers are crossed, a round comes twice; only notices, commands and the like are uncommon.
    ledger = opened_site(meters=600)
    taken = []
    monkeypatch.setattr("streams.core.fold.fold_plainly", lambda _, batch: taken.append(batch))
    for batch in rounds(200, 1, 900, meters=600):
        ledger.take_readings(batch)
        ledger.take_readings(batch)
    readings = ledger.settle().readings
    assert not taken
    assert len(readings) == 360_000
    assert int(np.count_nonzero(readings["flags"] == Flag.DUPLICATE)) == 180_000
    assert np.count_nonzero(readings["version"] == NO_VERSION) > 180_000, "nothing crossed a boundary"
