"""The core gives the same output as the slow model for every scenario that the generator draws.

`SLUICE_SEED` sets the first seed and `SLUICE_SCENARIOS` how many there are; both are printed with a difference,
which names the one seed that shows it. `make fuzz` runs as many as `tests.fuzz_scenarios` does by itself.
"""

import os

import pytest

from tests.fuzz_scenarios import FUZZ_COUNT, find_differences
from tests.property.comparison import find_difference

SEED = int(os.environ.get("SLUICE_SEED", "1"))
SCENARIOS = int(os.environ.get("SLUICE_SCENARIOS", "2000"))
PARTS = 10


@pytest.mark.parametrize("part", range(PARTS))
def test_core_equals_model(part: int) -> None:
    seeds = range(SEED + part, SEED + SCENARIOS, PARTS)
    differences = [difference for difference in map(find_difference, seeds) if difference is not None]
    assert not differences, f"SLUICE_SEED={SEED} SLUICE_SCENARIOS={SCENARIOS}\n" + "\n".join(map(str, differences[:3]))


@pytest.mark.fuzz
@pytest.mark.timeout(0)
def test_core_equals_model_at_length() -> None:
    differences = find_differences(SEED, FUZZ_COUNT)
    assert not differences, "\n".join(map(str, differences[:3]))
