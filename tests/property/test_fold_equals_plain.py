"""The array path gives, row for row and byte for byte, what the plain rules give one line at a time."""

import os
import random

import pytest

from streams.core.site import ReadingBatch, SiteLedger
from tests.property.drawn import history, opened, shown, take

SEED = int(os.environ.get("SLUICE_SEED", "20260105"))
RUNS = int(os.environ.get("SLUICE_FOLD_RUNS", "40"))


@pytest.mark.parametrize("run", range(RUNS))
def test_array_path_equals_plain_rules(run: int) -> None:
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
