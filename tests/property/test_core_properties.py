"""What holds of the core whatever happens: sums, batch edges, replays, duplicates, conservation."""

import os
import random
from collections import defaultdict, deque
from itertools import pairwise

import numpy as np
import pytest

from streams.core.outcome import NO_CELL, Entry, Flag, Outcome, VersionTaken
from streams.core.site import ReadingBatch, SiteLedger
from tests.property.drawn import Step, history, opened, shown, take

SEED = int(os.environ.get("SLUICE_SEED", "20260105"))
RUNS = range(int(os.environ.get("SLUICE_PROPERTY_RUNS", "12")))


def drawn(run: int) -> tuple[SiteLedger, list[Step]]:
    """A site as it was opened, and what then happens to it."""
    random_ = random.Random(SEED + run)
    ledger = SiteLedger("S1")
    registers = opened(random_, random_.choice([3, 12, 40]), ledger)
    return ledger, list(history(random_, registers))


def run_through(ledger: SiteLedger, steps: list[Step]) -> tuple[Outcome, dict[str, bytes]]:
    """All that comes of the steps, and the pages after them."""
    for step in steps:
        take(ledger, step)
    return ledger.settle(), ledger.dirty_pages()


@pytest.mark.parametrize("run", RUNS)
def test_entries_less_deductions_are_the_balance(run: int) -> None:
    ledger, steps = drawn(run)
    outcome, _ = run_through(ledger, steps)
    sums: dict[int, int] = defaultdict(int)
    for entry in outcome.entries:
        sums[entry.account] += entry.amount
    for account, amount in zip(outcome.readings["account"].tolist(), outcome.readings["amount"].tolist(), strict=True):
        sums[account] -= amount
    balances = ledger.balances()
    assert {ledger.account_id(account): total for account, total in sums.items() if total} == {
        account: balance for account, balance in balances.items() if balance
    }


@pytest.mark.parametrize("run", RUNS)
def test_the_commands_of_a_meter_are_numbered_as_they_go_out(run: int) -> None:
    outcome, _ = run_through(*drawn(run))
    given: dict[int, list[int]] = defaultdict(list)
    for command in outcome.commands:
        given[command.meter].append(command.sequence)
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in given.values())


def enter(entry: Entry, balances: list[int]) -> None:
    """Move an entry's money, and see that it shows the balance after it."""
    balances[entry.account] += entry.amount
    assert entry.balance == balances[entry.account]


@pytest.mark.parametrize("run", RUNS)
def test_each_line_shows_the_balance_after_it(run: int) -> None:
    ledger, steps = drawn(run)
    ledger.settle()
    for step in steps:
        balances = list(ledger.balances().values())
        take(ledger, step)
        outcome = ledger.settle()
        entries = deque(outcome.entries)
        for row in outcome.readings:
            # What the record moved before this row.
            while entries and entries[0].position.line <= int(row["line"]):
                enter(entries.popleft(), balances)
            balances[int(row["account"])] -= int(row["amount"])
            if isinstance(step, ReadingBatch):
                assert int(row["balance"]) == balances[int(row["account"])]
        for entry in entries:
            enter(entry, balances)
        assert balances == list(ledger.balances().values())


@pytest.mark.parametrize("run", RUNS)
def test_batch_edges_do_not_matter(run: int) -> None:
    (whole, steps), (cut, _) = drawn(run), drawn(run)
    random_ = random.Random(SEED + run)
    pieces: list[Step] = []
    for step in steps:
        if isinstance(step, ReadingBatch):
            edges = sorted({0, len(step), *(random_.randrange(len(step)) for _ in range(3))})
            pieces += [step[slice(start, end)] for start, end in pairwise(edges)]
        else:
            pieces.append(step)
    one, other = run_through(whole, steps), run_through(cut, pieces)
    assert shown(one[0]) == shown(other[0])
    assert one[1] == other[1]


@pytest.mark.parametrize("run", RUNS)
def test_a_replay_gives_the_same_bytes(run: int) -> None:
    (first, steps), (again, _) = drawn(run), drawn(run)
    one, other = run_through(first, steps), run_through(again, steps)
    assert one[0].readings.tobytes() == other[0].readings.tobytes()
    assert one[0].pieces.tobytes() == other[0].pieces.tobytes()
    assert shown(one[0]) == shown(other[0])
    assert one[1] == other[1]


@pytest.mark.parametrize("run", RUNS)
def test_lines_delivered_twice_change_nothing(run: int) -> None:
    (once, steps), (twice, _) = drawn(run), drawn(run)
    for step in steps:
        take(once, step)
        take(twice, doubled(step) if isinstance(step, ReadingBatch) else step)
        one, other = once.settle(), twice.settle()
        assert once.balances() == twice.balances()
        assert once.dirty_pages() == twice.dirty_pages()
        for name in ("entries", "commands", "notices"):
            assert getattr(one, name) == getattr(other, name)
        assert one.readings["amount"].sum() == other.readings["amount"].sum()


def doubled(batch: ReadingBatch) -> ReadingBatch:
    """Each line twice in a row."""
    return batch[np.arange(len(batch)).repeat(2)]


@pytest.mark.parametrize("run", RUNS)
def test_an_amount_is_the_price_of_what_was_consumed(run: int) -> None:
    random_ = random.Random(SEED + run)
    ledger = SiteLedger("S1")
    registers = opened(random_, 12, ledger)
    versions: dict[int, VersionTaken] = {version.number: version for version in ledger.settle().versions}
    for step in history(random_, registers):
        take(ledger, step)
        outcome = ledger.settle()
        versions |= {version.number: version for version in outcome.versions}
        priced: dict[int, int] = defaultdict(int)
        quantity: dict[int, int] = defaultdict(int)
        for piece in outcome.pieces:
            cell = sum(prices[piece["band"]][piece["tier"]] for prices in versions[int(piece["version"])].prices)
            assert int(piece["amount"]) == int(piece["quantity"]) * cell
            priced[int(piece["reading"])] += int(piece["amount"])
            quantity[int(piece["reading"])] += int(piece["quantity"])
        for index, row in enumerate(outcome.readings):
            if row["band"] != NO_CELL:
                cell = sum(prices[row["band"]][row["tier"]] for prices in versions[int(row["version"])].prices)
                assert int(row["amount"]) == int(row["consumption"]) * cell
            else:
                assert int(row["amount"]) == priced[index]
                if not row["flags"] & (Flag.UNPRICED | Flag.PRICED_LATE):
                    assert int(row["consumption"]) == quantity[index]
