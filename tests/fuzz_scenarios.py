"""Compares the core with the slow model on many seeded scenarios.

Run as `python -m tests.fuzz_scenarios --count N --seed N`.
"""

import argparse
import multiprocessing
import sys

from tests.property.comparison import Difference, find_difference

FUZZ_COUNT = 100_000
PROCESSES = 2
PROGRESS_EVERY = 5000
SHOWN_MAX = 10


def find_differences(seed: int, count: int) -> list[Difference]:
    """Run the scenarios of `count` seeds from `seed` on in two processes; stops after the first few differences."""
    differences: list[Difference] = []
    print(f"seeds {seed} to {seed + count - 1}", flush=True)
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        results = pool.imap_unordered(find_difference, range(seed, seed + count), chunksize=50)
        for done, difference in enumerate(results, 1):
            if difference is not None:
                print(difference, flush=True)
                differences.append(difference)
                if len(differences) == SHOWN_MAX:
                    break
            if done % PROGRESS_EVERY == 0:
                print(f"{done} scenarios, {len(differences)} differ", flush=True)
    return differences


def main() -> int:
    """Run as the command line says; 1 when something differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=FUZZ_COUNT)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    differences = find_differences(arguments.seed, arguments.count)
    print(f"done: {len(differences)} differ" if differences else "done: none differs", flush=True)
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
